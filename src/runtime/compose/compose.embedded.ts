import { StartupError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { createSegmentEventLog, openSegmentLogReader } from '../../event-log/segment/event-log.segment.ts';
import type { EventStore } from '../../event-store/event-store.ts';
import type { Migration } from '../../event-store/migrations.ts';
import { createSqliteEventStore } from '../../event-store/sqlite/event-store.sqlite.ts';
import { migrateSqlite } from '../../event-store/sqlite/migrations.ts';
import { createMemoryMetricsStore } from '../../metrics-store/memory/metrics-store.memory.ts';
import type { MetricsSnapshot, MetricsUpdate, MetricsWatermark } from '../../metrics-store/metrics-store.ts';
import { pause } from '../../processing/pause.ts';
import { type Config, dataFiles } from '../config/config.ts';
import { type CommandParts, createCommandParts } from './command-parts.ts';
import { acquireDirectoryLock } from './directory-lock.ts';
import { watchFreeDisk } from './free-disk.ts';
import { type LatePart, openLate, openPart } from './late-part.ts';
import type {
  ServerParts,
  Surroundings,
  WorkerOpening,
  WorkerParts,
  WorkerPartsOpening,
  WorkerSource,
} from './parts.ts';
import { verifyInThread } from './verify-in-thread.ts';

/** The embedded parts: one directory, owned by one process. */

export async function openEmbeddedServer(config: Config, surroundings: Surroundings): Promise<ServerParts> {
  const { telemetry, lifecycle, now } = surroundings;
  const files = dataFiles(config.dataDir);
  const lock = await acquireDirectoryLock(config.dataDir);
  lifecycle.add('directory lock', () => lock.release());

  const freeDisk = await watchFreeDisk({
    path: config.dataDir,
    floorBytes: config.freeDiskBytesMin,
    everyMs: limits.freeDiskCheckMs,
    telemetry,
  });
  lifecycle.add('free disk watch', async () => freeDisk.stop());

  const log = await createSegmentEventLog({ directory: files.log, partitions: config.partitions, telemetry });
  lifecycle.add('event log', () => log.close());
  const metrics = createMemoryMetricsStore({ now });
  lifecycle.add('metrics store', () => metrics.close());

  return {
    log: openPart(log, () => log.close()),
    metrics: openPart(metrics, () => metrics.close()),
    openStore: (workerOpened) => openClientStore(config, surroundings, workerOpened),
    createReference: () => createMemoryMetricsStore({ now }),
    verifyStore: () => verifyInThread(files.store, config.eventTypesMax),
    worker: {
      source: {
        kind: 'embedded',
        logDirectory: files.log,
        storePath: files.store,
        partitions: config.partitions,
        shared: log.shared,
        givenUp: log.givenUp,
      },
      handlers: {
        apply: (update: MetricsUpdate) => metrics.apply(update),
        watermark: (partition: number) => metrics.watermark(partition),
        rebuild: (snapshot: MetricsSnapshot, expected: MetricsWatermark | null) => metrics.rebuild(snapshot, expected),
        trim: (partition: number, below: number) => log.trim(partition, below),
      },
    },
    freeDisk,
    isShared: false,
  };
}

/** How long a start waits for the worker's thread to open the store's file. */
const storeOpenMs = 30_000;

function openClientStore(
  { dataDir, eventTypesMax }: Config,
  { telemetry, elapsed }: Surroundings,
  workerOpened: Promise<void>,
): LatePart<EventStore> {
  const path = dataFiles(dataDir).store;
  return openLate({
    name: 'store',
    async open() {
      await within(workerOpened, storeOpenMs, `The store ${path} could not be opened in time: is it locked?`);
      return openStoreClient(path, eventTypesMax);
    },
    close: (store) => store.close(),
    telemetry,
    elapsed,
    random: Math.random,
    pause,
  });
}

/** A handle beside the owner's, for all but batches. */
export function openStoreClient(path: string, eventTypesMax: number): Promise<EventStore> {
  return createSqliteEventStore({ path, role: 'client', eventTypesMax });
}

async function within(promise: Promise<void>, ms: number, message: string): Promise<void> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new StartupError(message)), ms);
  try {
    await Promise.race([promise, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

type EmbeddedSource = Extract<WorkerSource, { kind: 'embedded' }>;

/**
 * The worker's side, in its thread: it owns the store, reads the log beside the main thread, and calls that for the
 * rest.
 */
export async function openEmbeddedWorker(source: EmbeddedSource, opening: WorkerOpening): Promise<WorkerPartsOpening> {
  const { main } = opening;
  if (main === null) throw new Error('an embedded worker needs the thread that holds the log');
  const { logDirectory, storePath, partitions, shared, givenUp } = source;
  const log = openSegmentLogReader({ directory: logDirectory, shared, givenUp, partitions });
  const store = await createSqliteEventStore({
    path: storePath,
    role: 'owner',
    eventTypesMax: opening.settings.eventTypesMax,
  });
  const parts: WorkerParts = {
    log,
    store,
    metrics: {
      apply: (update) => main.call('apply', update),
      watermark: (partition) => main.call('watermark', partition),
      rebuild: (snapshot, expected) => main.call('rebuild', snapshot, expected),
    },
    storeWriters: null,
    restFactor: limits.batchRestFactor.embedded,
    failedTopic: null,
    trim: (partition, below) => main.call('trim', partition, below),
  };
  return {
    firstTry: Promise.resolve(),
    opened: Promise.resolve(parts),
    async close() {
      await store.close();
      await log.close();
    },
  };
}

/** Log and store of a directory that no server holds, for the command line. @throws StartupError where one does */
export async function openEmbeddedCommandParts({ dataDir, partitions, eventTypesMax }: Config): Promise<CommandParts> {
  const files = dataFiles(dataDir);
  const lock = await acquireDirectoryLock(dataDir);
  // Opening a log may cut off what a crash has torn, or ignore files: whoever runs the command is told. No server needs
  // it here.
  const { createCommandTelemetry } = await import('../commands/command-telemetry.ts');
  const telemetry = createCommandTelemetry();
  return createCommandParts({
    log: () => createSegmentEventLog({ directory: files.log, partitions, telemetry }),
    giveUp: (log, ranges) => log.giveUp(ranges),
    store: () => createSqliteEventStore({ path: files.store, role: 'owner', eventTypesMax }),
    metrics: null,
    end: () => lock.release(),
  });
}

/** @throws StartupError where a server holds the directory */
export async function migrateFiles(dataDir: string): Promise<readonly Migration[]> {
  const lock = await acquireDirectoryLock(dataDir);
  try {
    return await migrateSqlite({ path: dataFiles(dataDir).store });
  } finally {
    await lock.release();
  }
}
