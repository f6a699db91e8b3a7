import type { Clocks } from '../domain/clocks.ts';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { rollupSteps, stepStart } from '../domain/rollup.ts';
import type { EventWriter, PartitionProgress } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { MetricsFeed } from './metrics-feed.ts';

/**
 * Retention of rows and folding of rollups, done by the partition's owner between its batches: small transactions with
 * the same guard as a batch's, so no other writer of these rows exists.
 */
export interface Maintenance {
  /** Does at most one transaction, when one is due. Answers the token that progress has afterwards. */
  run(progress: PartitionProgress, signal: AbortSignal): Promise<MaintenanceEnd>;
}

/** `reopen`: the store was away in the middle of it, so what progress says now has to be claimed anew. */
export type MaintenanceEnd = { readonly commitToken: string } | 'fenced' | 'reopen';

export interface MaintenanceOptions extends Clocks {
  readonly store: Pick<EventWriter, 'maintain'>;
  readonly feed: Pick<MetricsFeed, 'push' | 'check' | 'rebuildTo'>;
  readonly telemetry: Telemetry;
  /** What is removed or folded away goes by this one (retention-clock.ts). */
  readonly retentionNow: () => Promise<number>;
  readonly freshToken: () => string;
  /** Null: rows are kept for ever. */
  readonly retentionMs: number | null;
  /** received_at of the oldest record that any consumer has still to read; null when none waits. */
  readonly oldestUnreadAt: () => Promise<number | null>;
  /** Failed events are told on a topic, and must not go before they are. */
  readonly publishesFailures: boolean;
  readonly everyMs?: number;
}

export function createMaintenance(options: MaintenanceOptions): Maintenance {
  const { store, feed, telemetry, now, elapsed, retentionMs } = options;
  const everyMs = options.everyMs ?? limits.maintenanceEveryMs;
  const dueAt = new Map<number, number>();
  const checkAt = new Map<number, number>();
  /** How far the wall clock was before the other, at most, since the partition's metrics were known to be whole. */
  const highest = new Map<number, number>();

  async function run(progress: PartitionProgress, signal: AbortSignal): Promise<MaintenanceEnd> {
    const { partition, commitToken } = progress;
    const at = elapsed();
    // Behind each batch: metrics may have forgotten something as soon as one was counted.
    highest.set(partition, Math.max(highest.get(partition) ?? Number.NEGATIVE_INFINITY, now() - at));
    if (at >= (checkAt.get(partition) ?? 0)) {
      checkAt.set(partition, at + limits.metricsCheckEveryMs);
      checkMetrics(progress);
    }
    if (signal.aborted || at < (dueAt.get(partition) ?? 0)) return { commitToken };
    dueAt.set(partition, at + everyMs);

    try {
      return await maintainOnce(progress);
    } catch (error) {
      if (error instanceof UnavailableError) return 'reopen';
      throw error;
    }
  }

  function checkMetrics({ partition, logNo, nextOffset, commitToken }: PartitionProgress): void {
    const offset = now() - elapsed();
    const before = highest.get(partition)!;
    if (offset >= before - limits.clockBackMaxMs) {
      feed.check(partition);
      return;
    }
    highest.set(partition, offset);
    telemetry.emit('clock.set_back', { partition, byMs: Math.round(before - offset) });
    feed.rebuildTo(partition, { logNo, nextOffset, commitToken }, 'clock_set_back');
  }

  async function maintainOnce(progress: PartitionProgress): Promise<{ commitToken: string } | 'fenced'> {
    const { consumer, logNo, partition, ownerEpoch, nextOffset, commitToken } = progress;
    const token = options.freshToken();
    const at = await options.retentionNow();
    const result = await store.maintain({
      consumer,
      logNo,
      partition,
      ownerEpoch,
      expectedOffset: nextOffset,
      previousToken: commitToken,
      token,
      now: at,
      pruneBefore: retentionMs === null ? null : (await oldestNeededAt(at)) - retentionMs,
      publishedOnly: options.publishesFailures,
      // Jobs are nobody's: the owner of one partition does it for all.
      jobsEndedBefore: partition === 0 ? at - limits.jobKeptMs : null,
      foldFineBefore: stepStart(at - limits.rollupFineKeptMs, rollupSteps.minuteMs),
      foldMinutesBefore: stepStart(at - limits.rollupMinuteKeptMs, rollupSteps.hourMs),
    });
    if (result.kind === 'idle') return { commitToken };
    if (result.kind === 'fenced') return 'fenced';
    feed.push({
      partition,
      previousToken: commitToken,
      watermark: { logNo, nextOffset, commitToken: token },
      delta: { counts: [], latencies: [] },
      recent: [],
    });
    const { prunedRows, prunedFailed, foldedRows } = result;
    telemetry.emit('maintenance.done', { partition, prunedRows, prunedFailed, foldedRows });
    if (result.more) dueAt.set(partition, 0);
    return { commitToken: token };
  }

  /** A duplicate that still waits in a log must find the row it doubles, so rows outlive the oldest unread record. */
  async function oldestNeededAt(at: number): Promise<number> {
    // A record may be from the future, if the clock has been set back since.
    return Math.min(at, (await options.oldestUnreadAt()) ?? at);
  }

  return { run };
}
