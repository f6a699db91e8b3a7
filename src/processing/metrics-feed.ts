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
  rebuildHalted(partition: number): void;
  /** Called after a commit whose delta is not known: brings the partition to the store's state. */
  rebuildTo(partition: number, watermark: MetricsWatermark, reason: string): void;
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

interface PartitionState {
  waiting: MetricsUpdate[];
  running: Promise<void> | null;
  rebuildReason: string | null;
  last: MetricsWatermark | null;
  checkDue: boolean;
  /** While the metrics store is away, updates are not worth a try before this, by `elapsed`. */
  retryAt: number;
}

export function createMetricsFeed({ metrics, store, telemetry, now, elapsed }: MetricsFeedOptions): MetricsFeed {
  const states = new Map<number, PartitionState>();

  function stateOf(partition: number): PartitionState {
    let state = states.get(partition);
    if (state === undefined) {
      state = { waiting: [], running: null, rebuildReason: null, last: null, checkDue: false, retryAt: 0 };
      states.set(partition, state);
    }
    return state;
  }

  function start(partition: number, state: PartitionState): void {
    // There is something to do, so the loop waits once at least, and ends after it stands here.
    state.running ??= drain(partition, state);
  }

  /** Never rejects: nobody waits for it. What comes once it has found nothing more to do starts it anew. */
  async function drain(partition: number, state: PartitionState): Promise<void> {
    try {
      for (;;) {
        if (state.rebuildReason !== null) await rebuild(partition, state);
        else if (state.waiting.length > 0) await applyNext(state);
        else if (state.checkDue) await compare(partition, state);
        else return;
      }
    } catch (error) {
      // Whatever it is, also a bug: the next check tries again, or a push after a while; the store has everything.
      state.waiting.length = 0;
      state.rebuildReason ??= 'unavailable';
      state.retryAt = elapsed() + limits.metricsRetryMs;
      telemetry.emit('metrics.unavailable', { partition, error: tellFailure(error) });
    } finally {
      state.running = null;
    }
  }

  async function applyNext(state: PartitionState): Promise<void> {
    const update = state.waiting[0]!;
    const result = await metrics.apply(update);
    // Meanwhile all that waited may have been dropped, and something newer have come.
    if (state.waiting[0] === update) state.waiting.shift();
    if (result === 'diverged') state.rebuildReason = 'diverged';
  }

  async function compare(partition: number, state: PartitionState): Promise<void> {
    state.checkDue = false;
    const found = await metrics.watermark(partition);
    // What has come meanwhile is applied next, and tells by itself whether it fits.
    if (state.waiting.length > 0) return;
    const expected = state.last;
    if (expected !== null && found?.commitToken !== expected.commitToken) state.rebuildReason = 'watermark';
  }

  async function rebuild(partition: number, state: PartitionState): Promise<void> {
    const reason = state.rebuildReason ?? 'unknown';
    // Before the snapshot is taken: a reason that comes later is for one that comes later.
    state.rebuildReason = null;
    const startedAt = elapsed();
    const expected = await metrics.watermark(partition);
    const snapshot = await store.partitionMetrics(storeConsumer, partition, now());
    if (snapshot === null) return;
    if (!(await metrics.rebuild(snapshot, expected))) {
      state.rebuildReason ??= reason;
      return;
    }
    // The snapshot has everything that was committed before it: what waits up to its own token is in it.
    const covered = state.waiting.findIndex(
      (update) => update.watermark.commitToken === snapshot.watermark.commitToken,
    );
    if (covered >= 0) state.waiting.splice(0, covered + 1);
    telemetry.emit('metrics.rebuilt', { partition, reason, durationMs: elapsed() - startedAt });
  }

  return {
    push(update) {
      const state = stateOf(update.partition);
      state.last = update.watermark;
      // Dozens of batches a second would all find out the same; the rebuild that is due has what they bring.
      if (state.running === null && state.rebuildReason !== null && elapsed() < state.retryAt) return;
      state.waiting.push(update);
      if (state.waiting.length > waitingMax) {
        state.waiting.length = 0;
        state.rebuildReason = 'behind';
      }
      start(update.partition, state);
    },
    claimed(partition, watermark) {
      const state = stateOf(partition);
      state.last = watermark;
      state.waiting.length = 0;
      state.checkDue = true;
      start(partition, state);
    },
    rebuildHalted(partition) {
      const state = stateOf(partition);
      state.rebuildReason ??= 'halted';
      start(partition, state);
    },
    rebuildTo(partition, watermark, reason) {
      const state = stateOf(partition);
      state.last = watermark;
      state.waiting.length = 0;
      state.rebuildReason = reason;
      start(partition, state);
    },
    check(partition) {
      const state = stateOf(partition);
      state.checkDue = true;
      start(partition, state);
    },
    async settle() {
      for (const state of states.values()) while (state.running !== null) await state.running;
    },
  };
}
