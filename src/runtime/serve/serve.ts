import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { Readiness } from '../../http/dependencies.ts';
import { createPartsWatch, type PartsWatch } from '../../processing/parts-watch.ts';
import { pause } from '../../processing/pause.ts';
import { createRedrive } from '../../processing/redrive.ts';
import { compareMetrics } from '../../processing/verify-metrics.ts';
import { createPrometheus } from '../../telemetry/prometheus.ts';
import type { PartName } from '../../telemetry/telemetry.ts';
import { openServerParts } from '../compose/compose.ts';
import { callsOf, firstTriesOf } from '../compose/late-part.ts';
import { lateIngest, lateLog, lateMetrics } from '../compose/late-server-parts.ts';
import type { Surroundings } from '../compose/parts.ts';
import { type Config, workerSettings } from '../config/config.ts';
import { startWorkerHost, type WorkerHost } from '../worker/worker-host.ts';
import { endAbandonedJobs } from './abandoned-jobs.ts';
import { atMost } from './at-most.ts';
import { listen } from './listen.ts';
import { createOperations } from './operations.ts';
import { dashboardDir, productVersion } from './package-files.ts';
import {
  awayReasons,
  type Closed,
  closedReason,
  oneWorkerReasons,
  sharedWorkReasons,
  soleWorkerReasons,
  toReadiness,
} from './readiness.ts';

/** `all`: everything in this process, the worker in a thread of its own. `api`: workers run elsewhere. */
export type ServerRole = 'all' | 'api';

/**
 * Puts a server together over the parts that the configuration names, the same way for all of them, and listens. A part that
 * is away is waited for while the rest is served.
 *
 * @returns the address
 */
export async function serve(
  config: Config & { readonly drainMs: number },
  role: ServerRole,
  surroundings: Surroundings,
): Promise<string> {
  const { telemetry, lifecycle, now, elapsed } = surroundings;
  const parts = await openServerParts(config, surroundings);
  // Before the worker: what it announces first counts as well.
  const prometheus = createPrometheus({
    telemetry,
    gauges: {
      queue: () => ingest.queue(),
      ledger: () => operations.ledger(),
      lagSeconds: () => operations.lagSeconds(),
      ...(parts.freeDisk === null ? {} : { freeDiskBytes: parts.freeDisk.freeBytes }),
    },
  });
  lifecycle.add('metrics exposition', async () => prometheus.close());

  const { source, handlers } = parts.worker;
  const host =
    role === 'all'
      ? startWorkerHost({ telemetry, data: { source, settings: workerSettings(config) }, handlers })
      : null;
  if (host !== null) lifecycle.add('worker', () => host.stop());
  // Not before: the worker's thread starts up meanwhile.
  const loading = Promise.all([import('../../http/app.ts'), import('../../ingest/ingest.ts')]);
  const lateStore = parts.openStore(host?.opened ?? Promise.resolve());
  lifecycle.add('event store', () => lateStore.close());
  const opening = { log: parts.log, store: lateStore, metrics: parts.metrics };
  const firstTries = firstTriesOf(Object.values(opening));
  await (parts.isShared ? atMost(limits.partsFirstTryMs, firstTries) : firstTries);
  const [{ createHttpApp }, { createIngest }] = await loading;

  const [log, store, metrics] = [lateLog(parts.log), callsOf(lateStore), lateMetrics(parts.metrics)];
  const redrive = createRedrive({
    log,
    store,
    telemetry,
    now,
    elapsed,
    assertOpen,
    random: Math.random,
    pause,
    newId: randomUUID,
  });
  const { isShared } = parts;
  const jobs = endAbandonedJobs({ store, telemetry, now, elapsed, isShared, isOwn: redrive.isRunning, pause });
  lifecycle.add('abandoned jobs', () => jobs.stop());
  const watch = createPartsWatch({
    log,
    store,
    metrics,
    telemetry,
    elapsed,
    pause,
    // Nobody else writes the files of one directory.
    ...(parts.isShared ? {} : { recordsCheckEveryMs: Number.POSITIVE_INFINITY }),
  });
  lifecycle.add('parts watch', () => watch.stop());
  lifecycle.add('redrive jobs', () => redrive.drain());

  let isDrained = false;
  function closed(): Closed | null {
    if (isDrained) return 'shutting_down';
    if (parts.freeDisk?.isFull()) return 'disk_full';
    return replacedLog(watch, host) === null ? null : 'log_replaced';
  }
  function assertOpen(): void {
    const code = closed();
    if (code === 'disk_full') throw new UnavailableError(code, 'There is too little free disk space to append events.');
    if (code === 'log_replaced') {
      throw new UnavailableError(
        code,
        'The log is not the one that the store belongs to: `esp doctor` explains the ways out.',
      );
    }
  }
  const ingest = lateIngest(parts.log, (open) => createIngest({ log: open, telemetry, now, gate: closed }));
  lifecycle.add('ingest', () => ingest.drain());

  const operations = createOperations({
    log,
    store,
    metrics,
    redrive,
    now,
    elapsed,
    halted: () => host?.status().halted ?? new Map(),
    async verify() {
      const { createReference } = parts;
      const differences = await compareMetrics({ store, metrics, createReference, now, pause });
      return [...(await parts.verifyStore(store)), ...differences];
    },
  });
  const ofWorker = parts.isShared ? oneWorkerReasons : soleWorkerReasons;
  function readiness(): Readiness {
    const problems = Object.entries(opening).map(([part, late]) => [part as PartName, late.problem()] as const);
    return toReadiness([
      ...closedReason(lifecycle.isStopping() ? 'shutting_down' : closed(), replacedLog(watch, host)),
      ...awayReasons(problems, watch.away(), ['log']),
      ...(parts.isShared ? sharedWorkReasons(watch) : []),
      ...(host === null ? [] : ofWorker(host.status())),
    ]);
  }

  // The log must be known to be the right one before anything is appended to it; a store that is away must not hold up ingest
  // for longer than this. Who follows a job must not see one run that nobody goes on with.
  const claimed = parts.isShared ? null : host?.claimed;
  await atMost(limits.partsFirstTryMs, Promise.all([claimed, jobs.first, watch.looked]));

  const app = createHttpApp({
    ingest,
    store,
    metrics,
    operations,
    telemetry,
    prometheus: () => prometheus.expose(),
    readiness,
    isStopping: lifecycle.isStopping,
    options: { ...httpOptions(config), dashboardDir: existingDashboard() },
  });
  lifecycle.add('http', () => app.close());
  const url = await listen(app, { ...config, portVariable: 'PORT' });
  // The first thing of a stop: whoever hands out requests finds out from the readiness, and stops handing them to this one,
  // before any of them is refused.
  lifecycle.add('draining', async () => {
    await setTimeout(config.drainMs);
    isDrained = true;
  });
  return url;
}

/** Why the log is not the one that the store belongs to, by what was read here or by what the worker here has found. */
function replacedLog(watch: PartsWatch, host: WorkerHost | null): string | null {
  const halted = [...(host?.status().halted.values() ?? [])];
  return watch.replaced() ?? halted.find(({ reason }) => reason === 'log_replaced')?.message ?? null;
}

function httpOptions({ allowedHosts, allowedOrigins }: Config) {
  return { version: productVersion(), allowedHosts, allowedOrigins };
}

function existingDashboard(): string | null {
  const directory = dashboardDir();
  return existsSync(join(directory, 'index.html')) ? directory : null;
}
