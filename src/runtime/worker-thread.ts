import { randomUUID } from 'node:crypto';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { openSegmentLogReader } from '../event-log/event-log.segment.ts';
import { createSqliteEventStore } from '../event-store/event-store.sqlite.ts';
import type { MetricsWriter } from '../metrics-store/metrics-store.ts';
import { createMaintenance } from '../processing/maintenance.ts';
import { createMetricsFeed } from '../processing/metrics-feed.ts';
import { createPace } from '../processing/pace.ts';
import { pause } from '../processing/pause.ts';
import { trimLog } from '../processing/trim-log.ts';
import { cachedFor, oldestUnreadReceivedAt } from '../processing/unread.ts';
import { createWorker } from '../processing/worker.ts';
import { createTelemetry, type TelemetryEventName } from '../telemetry/telemetry.ts';
import { createCaller, createOutbox, serveCalls } from './thread-channel.ts';

/** What the main thread hands over. */
export interface WorkerThreadData {
  readonly logDirectory: string;
  readonly storePath: string;
  readonly partitions: number;
  readonly shared: SharedArrayBuffer;
  readonly eventTypesMax: number;
  readonly retentionMs: number | null;
  readonly logRetentionMs: number;
  readonly maintenanceEveryMs: number;
  /** Calls from this thread to the main one: metrics and trimming. */
  readonly toMain: MessagePort;
  /** Calls from the main thread to this one: stop. */
  readonly fromMain: MessagePort;
}

export type WorkerThreadMessage =
  | { readonly kind: 'store_opened' }
  | {
      readonly kind: 'claimed';
      readonly working: readonly number[];
      readonly halted: ReadonlyMap<number, { readonly reason: string; readonly message: string }>;
    }
  | { readonly kind: 'telemetry'; readonly name: TelemetryEventName; readonly payload: unknown };

const data = workerData as WorkerThreadData;
const main = createCaller(data.toMain);
const post = createOutbox<WorkerThreadMessage>(parentPort!, (_message, error) => {
  throw error;
});
const now = () => Date.now();

const telemetry = createTelemetry();
telemetry.onAny((name, payload) => post({ kind: 'telemetry', name, payload }));

const log = openSegmentLogReader({ directory: data.logDirectory, shared: data.shared, partitions: data.partitions });
const store = await createSqliteEventStore({
  path: data.storePath,
  role: 'owner',
  eventTypesMax: data.eventTypesMax,
});
post({ kind: 'store_opened' });

const metrics: MetricsWriter = {
  apply: (update) => main.call('apply', update),
  watermark: (partition) => main.call('watermark', partition),
  rebuild: (snapshot, expected) => main.call('rebuild', snapshot, expected),
};
const feed = createMetricsFeed({ metrics, store, telemetry, now });
const oldestUnreadAt = cachedFor(limits.lagReadEveryMs, now, async () => {
  return (await oldestUnreadReceivedAt(log, await store.progress(storeConsumer))) ?? now();
});

const worker = createWorker({
  log,
  store,
  feed,
  telemetry,
  now,
  pause,
  pace: createPace(limits.batchSpacingMs),
  random: Math.random,
  freshToken: randomUUID,
  idleMs: 2_000,
  batchLimits: {
    recordsMax: limits.batchRecordsMax,
    bytesMax: limits.batchBytesMax,
    lingerMs: limits.batchLingerMs,
  },
  maintenance: createMaintenance({
    store,
    feed,
    telemetry,
    now,
    freshToken: randomUUID,
    retentionMs: data.retentionMs,
    oldestUnreadAt,
    everyMs: data.maintenanceEveryMs,
  }),
  onClaimed: (working, halted) => post({ kind: 'claimed', working, halted }),
});

const trimming = new AbortController();
async function trimForEver(): Promise<void> {
  while (!trimming.signal.aborted) {
    await pause(data.maintenanceEveryMs, trimming.signal);
    const trim = (partition: number, below: number) => main.call<void>('trim', partition, below);
    try {
      await trimLog({ log, trim, store, telemetry }, [storeConsumer], now() - data.logRetentionMs);
    } catch (error) {
      telemetry.emit('partition.paused', { partition: -1, reason: `trim: ${error}`, retryInMs: 0, attempt: 0 });
    }
  }
}

serveCalls(data.fromMain, {
  async stop() {
    trimming.abort();
    await worker.stop();
    await store.close();
    await log.close();
    data.toMain.close();
  },
});

trimForEver().catch((error) => {
  if (!trimming.signal.aborted) throw error;
});
await worker.run();
