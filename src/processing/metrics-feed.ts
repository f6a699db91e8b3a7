import type { Clocks } from '../domain/clocks.ts';
import { tellFailure } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { EventReader } from '../event-store/event-store.ts';
import type { MetricsUpdate, MetricsWatermark, MetricsWriter } from '../metrics-store/metrics-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

/**
 * Carries committed deltas to the metrics store, one partition after another in order, and never holds up storing: what
 * can't be delivered is dropped, and the partition is rebuilt from the store, which is the truth.
 */
export interface MetricsFeed {
  /** Called after a commit. Returns at once. */
  push(update: MetricsUpdate): void;
  /** Called at every claim: from now on the metrics must stand at this watermark, and are rebuilt if they don't. */
  claimed(partition: number, watermark: MetricsWatermark): void;
  /** Called for a partition that is halted instead of claimed: what the store has of it is shown all the same. */
  show(partition: number): void;
  /** Called after a commit whose delta is not known: brings the partition to the store's state. */
  refresh(partition: number, watermark: MetricsWatermark, reason: string): void;
  /** Compares the partition's watermark with the last one pushed, and rebuilds where they differ. */
  check(partition: number): void;
  /** Resolves when everything pushed so far has been delivered or given up. */
  settle(): Promise<void>;
}

export interface MetricsFeedOptions extends Clocks {
  readonly metrics: MetricsWriter;
  readonly store: Pick<EventReader, 'partitionMetrics'>;
  readonly telemetry: Telemetry;
}

/** Updates of one partition that may wait; more are dropped and healed by a rebuild. */
const waitingMax = 64;

interface Lane {
  waiting: MetricsUpdate[];
  running: Promise<void> | null;
  rebuildReason: string | null;
  last: MetricsWatermark | null;
  checkDue: boolean;
  /** While the metrics store is away, updates are not worth a try before this, by `elapsed`. */
  retryAt: number;
}

export function createMetricsFeed({ metrics, store, telemetry, now, elapsed }: MetricsFeedOptions): MetricsFeed {
  const lanes = new Map<number, Lane>();

  function laneOf(partition: number): Lane {
    let lane = lanes.get(partition);
    if (lane === undefined) {
      lane = { waiting: [], running: null, rebuildReason: null, last: null, checkDue: false, retryAt: 0 };
      lanes.set(partition, lane);
    }
    return lane;
  }

  function start(partition: number, lane: Lane): void {
    lane.running ??= drain(partition, lane)
      .finally(() => {
        lane.running = null;
      })
      .then(() => {
        // Pushed when the loop had ended and this had not been told yet.
        if (lane.waiting.length > 0) start(partition, lane);
      });
  }

  /** Never rejects: nobody waits for it. */
  async function drain(partition: number, lane: Lane): Promise<void> {
    try {
      for (;;) {
        if (lane.rebuildReason !== null) await rebuild(partition, lane);
        else if (lane.waiting.length > 0) await applyNext(lane);
        else if (lane.checkDue) await compare(partition, lane);
        else return;
      }
    } catch (error) {
      // Whatever it is, also a bug: the next check tries again, or a push after a while; the store has everything.
      lane.waiting.length = 0;
      lane.rebuildReason ??= 'unavailable';
      lane.retryAt = elapsed() + limits.metricsRetryMs;
      telemetry.emit('metrics.unavailable', { partition, error: tellFailure(error) });
    }
  }

  async function applyNext(lane: Lane): Promise<void> {
    const update = lane.waiting[0]!;
    const result = await metrics.apply(update);
    // Meanwhile all that waited may have been dropped, and something newer have come.
    if (lane.waiting[0] === update) lane.waiting.shift();
    if (result === 'diverged') lane.rebuildReason = 'diverged';
  }

  async function compare(partition: number, lane: Lane): Promise<void> {
    lane.checkDue = false;
    const found = await metrics.watermark(partition);
    // What has come meanwhile is applied next, and tells by itself whether it fits.
    if (lane.waiting.length > 0) return;
    const expected = lane.last;
    if (expected !== null && found?.commitToken !== expected.commitToken) lane.rebuildReason = 'watermark';
  }

  async function rebuild(partition: number, lane: Lane): Promise<void> {
    const reason = lane.rebuildReason ?? 'unknown';
    // Before the snapshot is taken: a reason that comes later is for one that comes later.
    lane.rebuildReason = null;
    const startedAt = elapsed();
    const expected = await metrics.watermark(partition);
    const snapshot = await store.partitionMetrics(storeConsumer, partition, now());
    if (snapshot === null) return;
    if (!(await metrics.rebuild(snapshot, expected))) {
      lane.rebuildReason ??= reason;
      return;
    }
    // The snapshot has everything that was committed before it: what waits up to its own token is in it.
    const covered = lane.waiting.findIndex((update) => update.watermark.commitToken === snapshot.watermark.commitToken);
    if (covered >= 0) lane.waiting.splice(0, covered + 1);
    telemetry.emit('metrics.rebuilt', { partition, reason, durationMs: elapsed() - startedAt });
  }

  return {
    push(update) {
      const lane = laneOf(update.partition);
      lane.last = update.watermark;
      // Dozens of batches a second would all find out the same; the rebuild that is due has what they bring.
      if (lane.running === null && lane.rebuildReason !== null && elapsed() < lane.retryAt) return;
      lane.waiting.push(update);
      if (lane.waiting.length > waitingMax) {
        lane.waiting.length = 0;
        lane.rebuildReason = 'behind';
      }
      start(update.partition, lane);
    },
    claimed(partition, watermark) {
      const lane = laneOf(partition);
      lane.last = watermark;
      lane.waiting.length = 0;
      lane.checkDue = true;
      start(partition, lane);
    },
    show(partition) {
      const lane = laneOf(partition);
      lane.rebuildReason ??= 'halted';
      start(partition, lane);
    },
    refresh(partition, watermark, reason) {
      const lane = laneOf(partition);
      lane.last = watermark;
      lane.waiting.length = 0;
      lane.rebuildReason = reason;
      start(partition, lane);
    },
    check(partition) {
      const lane = laneOf(partition);
      lane.checkDue = true;
      start(partition, lane);
    },
    async settle() {
      for (const lane of lanes.values()) while (lane.running !== null) await lane.running;
    },
  };
}
