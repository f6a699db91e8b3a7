import { randomUUID } from 'node:crypto';
import type { Clocks } from '../../domain/clocks.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import type { LogAppender } from '../../event-log/event-log.ts';
import { createBatchSlots, unlimitedSlots } from '../../processing/batch-slots.ts';
import { createMaintenance } from '../../processing/maintenance.ts';
import { createMetricsFeed } from '../../processing/metrics-feed.ts';
import { createPace } from '../../processing/pace.ts';
import { pause } from '../../processing/pause.ts';
import { createFailurePublisher } from '../../processing/publish-failures.ts';
import { createRetentionClock } from '../../processing/retention-clock.ts';
import { trimLog } from '../../processing/trim-log.ts';
import { cachedFor, oldestUnreadReceivedAt } from '../../processing/unread.ts';
import { createWorker, type WorkerOptions } from '../../processing/worker.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { WorkerParts, WorkerSettings } from '../compose/parts.ts';

export interface RunningWorker {
  /** Settles when the worker has stopped; rejects for a bug in it. */
  readonly ended: Promise<void>;
  /** Finishes the transactions that run, leaves the group. The parts stay open. */
  stop(): Promise<void>;
}

export interface RunWorkerOptions extends Clocks {
  readonly parts: WorkerParts;
  readonly settings: WorkerSettings;
  readonly telemetry: Telemetry;
  readonly onClaimed: NonNullable<WorkerOptions['onClaimed']>;
}

/**
 * A worker with everything that goes with it: metrics, maintenance, trimming, the failed topic. In a thread or a
 * process.
 */
export function runWorker({ parts, settings, telemetry, now, elapsed, onClaimed }: RunWorkerOptions): RunningWorker {
  const { log, store, metrics, failedTopic } = parts;
  const feed = createMetricsFeed({ metrics, store, telemetry, now, elapsed });
  const oldestUnreadAt = cachedFor(limits.lagReadEveryMs, elapsed, async () => {
    return oldestUnreadReceivedAt(log, await store.progress(storeConsumer));
  });
  const retentionNow = createRetentionClock({
    now,
    elapsed,
    telemetry,
    newestStoredAt: async () => (await store.events({ limit: 1 })).items[0]?.receivedAt ?? null,
  });
  const failures =
    failedTopic === null
      ? null
      : createFailurePublisher({
          store,
          ...failedTopic,
          consumer: storeConsumer,
          telemetry,
          random: Math.random,
          pause,
        });
  const worker = createWorker({
    log,
    store,
    feed,
    failures,
    telemetry,
    now,
    elapsed,
    pause,
    pace: createPace(parts.restFactor),
    slots: parts.storeWriters === null ? unlimitedSlots : createBatchSlots(parts.storeWriters),
    random: Math.random,
    freshToken: randomUUID,
    idleMs: 2_000,
    batchLimits: { recordsMax: limits.batchRecordsMax, bytesMax: limits.batchBytesMax },
    maintenance: createMaintenance({
      store,
      feed,
      telemetry,
      now,
      elapsed,
      retentionNow,
      freshToken: randomUUID,
      retentionMs: settings.retentionMs,
      publishesFailures: failures !== null,
      oldestUnreadAt,
      everyMs: settings.maintenanceEveryMs,
    }),
    onClaimed,
  });

  const stopping = new AbortController();
  const { trim } = parts;
  const trimming = trim === null ? Promise.resolve() : trimForEver(trim);

  async function trimForEver(trim: LogAppender['trim']): Promise<void> {
    while (!stopping.signal.aborted) {
      await pause(settings.maintenanceEveryMs, stopping.signal).catch(() => undefined);
      if (stopping.signal.aborted) return;
      try {
        await trimLog(
          { log, trim, store, telemetry },
          [storeConsumer],
          (await retentionNow()) - settings.logRetentionMs,
        );
      } catch (error) {
        telemetry.emit('log.untrimmed', { reason: String(error) });
      }
    }
  }

  let stopped: Promise<void> | null = null;
  async function stop(): Promise<void> {
    stopping.abort(new Error('the worker stops'));
    await worker.stop();
    await failures?.stop();
    await trimming;
  }

  return {
    ended: worker.run(),
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}
