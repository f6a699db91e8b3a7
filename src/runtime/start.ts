import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { StartupError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { createSegmentEventLog } from '../event-log/event-log.segment.ts';
import { createSqliteEventStore } from '../event-store/event-store.sqlite.ts';
import { createHttpApp } from '../http/app.ts';
import type { Readiness } from '../http/dependencies.ts';
import { createIngest } from '../ingest/ingest.ts';
import { createMemoryMetricsStore } from '../metrics-store/metrics-store.memory.ts';
import type { MetricsSnapshot, MetricsUpdate, MetricsWatermark } from '../metrics-store/metrics-store.ts';
import { createRedrive } from '../processing/redrive.ts';
import { createLogListener } from '../telemetry/log-listener.ts';
import { createPrometheus } from '../telemetry/prometheus.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import type { Config } from './config.ts';
import { acquireDirectoryLock } from './directory-lock.ts';
import { watchFreeDisk } from './free-disk.ts';
import { createLifecycle } from './lifecycle.ts';
import { createOperations } from './operations.ts';
import { dashboardDir, productVersion } from './package-files.ts';
import { verifyInThread } from './verify.ts';
import { startWorkerHost } from './worker-host.ts';

export interface RunningServer {
  readonly url: string;
  /** Stops in reverse order of starting. `forced` tells that the deadline ended it. */
  stop(reason: string): Promise<{ readonly forced: boolean }>;
}

/** What is where in the data directory. */
export function dataFiles(dataDir: string) {
  return { log: join(dataDir, 'log'), store: join(dataDir, 'store.sqlite') };
}

/**
 * Starts everything in one process over one data directory: directory lock, log, worker thread (which owns the store),
 * HTTP. Each part pushes its own end onto the lifecycle; stopping runs them backwards.
 *
 * @throws StartupError with what to do, when the directory is taken, unreadable, or of another layout
 */
export async function startEmbedded(config: Config): Promise<RunningServer> {
  const startedAt = performance.now();
  const now = () => Date.now();
  const telemetry = createTelemetry();
  createLogListener({ telemetry, level: config.logLevel, format: config.logFormat });
  const lifecycle = createLifecycle({ telemetry, deadlineMs: limits.shutdownMs });

  try {
    const url = await startParts(config, { telemetry, lifecycle, now });
    telemetry.emit('process.started', { role: 'all', readyMs: Math.round(performance.now() - startedAt) });
    return { url, stop: (reason) => lifecycle.stop(reason) };
  } catch (error) {
    await lifecycle.stop('failed to start');
    throw error;
  }
}

interface Surroundings {
  readonly telemetry: ReturnType<typeof createTelemetry>;
  readonly lifecycle: ReturnType<typeof createLifecycle>;
  readonly now: () => number;
}

async function startParts(config: Config, { telemetry, lifecycle, now }: Surroundings): Promise<string> {
  const files = dataFiles(config.dataDir);
  const lock = await acquireDirectoryLock(config.dataDir);
  lifecycle.add('directory lock', () => lock.release());

  const disk = await watchFreeDisk({
    path: config.dataDir,
    floorBytes: config.freeDiskBytesMin,
    everyMs: limits.freeDiskCheckMs,
    telemetry,
  });
  lifecycle.add('free disk watch', async () => disk.stop());

  const log = await createSegmentEventLog({ directory: files.log, partitions: config.partitions });
  lifecycle.add('event log', () => log.close());
  const metrics = createMemoryMetricsStore({ now });
  lifecycle.add('metrics store', () => metrics.close());

  const host = startWorkerHost({
    telemetry,
    data: {
      logDirectory: files.log,
      storePath: files.store,
      partitions: config.partitions,
      shared: log.shared,
      eventTypesMax: config.eventTypesMax,
      retentionMs: config.retentionMs,
      logRetentionMs: config.logRetentionMs,
      maintenanceEveryMs: config.maintenanceEveryMs,
    },
    handlers: {
      apply: (update: MetricsUpdate) => metrics.apply(update),
      watermark: (partition: number) => metrics.watermark(partition),
      rebuild: (snapshot: MetricsSnapshot, expected: MetricsWatermark | null) => metrics.rebuild(snapshot, expected),
      trim: (partition: number, below: number) => log.trim(partition, below),
    },
  });
  lifecycle.add('worker', () => host.stop());
  await within(host.storeOpened, storeOpenMs, `The store ${files.store} could not be opened in time: is it locked?`);

  const store = await createSqliteEventStore({
    path: files.store,
    role: 'client',
    eventTypesMax: config.eventTypesMax,
  });
  lifecycle.add('event store', () => store.close());
  // Whoever follows a job that nobody goes on with would follow it for ever. No other process has any.
  const jobsEnded = store.endJobs(jobEnded, now(), Number.MAX_SAFE_INTEGER);
  const redrive = createRedrive({ log, store, telemetry, now, newId: randomUUID });
  lifecycle.add('redrive jobs', () => redrive.drain());

  function gate() {
    if (lifecycle.isStopping()) return 'shutting_down' as const;
    if (disk.isFull()) return 'disk_full' as const;
    const halted = [...host.status().halted.values()];
    return halted.some(({ reason }) => reason === 'log_replaced') ? ('log_replaced' as const) : null;
  }
  const ingest = createIngest({ log, telemetry, now, gate });
  lifecycle.add('ingest', () => ingest.drain());

  const operations = createOperations({
    log,
    store,
    metrics,
    redrive,
    now,
    workerStatus: host.status,
    verify: () => verifyInThread(files.store, config.eventTypesMax),
  });
  const prometheus = createPrometheus({
    telemetry,
    gauges: {
      queue: () => ingest.queue(),
      ledger: () => operations.ledger(),
      lagSeconds: () => operations.lagSeconds(),
      freeDiskBytes: () => disk.freeBytes(),
    },
  });
  lifecycle.add('metrics exposition', async () => prometheus.close());

  // The log must be known to be the right one before anything is appended to it; a store that is away must not hold up
  // ingest for longer than this.
  const isSettled = Promise.all([host.claimed, jobsEnded]).then(() => undefined);
  await within(isSettled, firstClaimMs).catch(() => undefined);

  const app = createHttpApp({
    ingest,
    store,
    metrics,
    operations,
    telemetry,
    prometheus: () => prometheus.expose(),
    readiness: () => readinessOf(gate(), host.status()),
    options: { version: productVersion(), allowedHosts: config.allowedHosts, dashboardDir: existingDashboard() },
  });
  lifecycle.add('http', () => app.close());
  return listen(app, config);
}

const jobEnded = 'The server stopped before this was done: what is still open can be redriven again.';
/** How long a start waits for the store's file. */
const storeOpenMs = 30_000;
/** How long a start waits for the first claim before it serves without. */
const firstClaimMs = 3_000;

async function within(promise: Promise<void>, ms: number, message = 'timed out'): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(() => timeout.reject(new StartupError(message)), ms);
  try {
    await Promise.race([promise, timeout.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function existingDashboard(): string | null {
  const directory = dashboardDir();
  return existsSync(join(directory, 'index.html')) ? directory : null;
}

async function listen(app: ReturnType<typeof createHttpApp>, { host, port }: Config): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EADDRINUSE') {
      throw new StartupError(`Port ${port} is taken on ${host}: stop what listens there, or set PORT to another one.`, {
        cause: error,
      });
    }
    if (code !== undefined && ['EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'].includes(code)) {
      throw new StartupError(
        `Can't listen on ${host}:${port} (${code}): HOST must be an address of this machine, and PORT one that this user may have.`,
        { cause: error },
      );
    }
    throw error;
  }
  const address = app.server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : port;
  const name = host === '0.0.0.0' || host === '::' || host === '127.0.0.1' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${listening}`;
}

function readinessOf(
  refusal: 'shutting_down' | 'disk_full' | 'log_replaced' | null,
  status: ReturnType<ReturnType<typeof startWorkerHost>['status']>,
): Readiness {
  const reasons: { code: string; message: string }[] = [];
  if (refusal === 'shutting_down') reasons.push({ code: refusal, message: 'The server is stopping.' });
  if (refusal === 'disk_full') {
    reasons.push({
      code: refusal,
      message: 'Free disk is below the floor: make room, or lower ESP_FREE_DISK_BYTES_MIN.',
    });
  }
  if (!status.running) reasons.push({ code: 'worker_down', message: 'The worker is being started again.' });
  else if (status.working.length === 0 && status.halted.size === 0) {
    reasons.push({
      code: 'not_claimed',
      message: 'The worker has not claimed its partitions yet: the store does not answer.',
    });
  }
  for (const [partition, { reason, message }] of status.halted) {
    reasons.push({ code: reason, message: `Partition ${partition} is halted: ${message} Run: esp doctor` });
  }
  return { ready: reasons.length === 0, reasons };
}
