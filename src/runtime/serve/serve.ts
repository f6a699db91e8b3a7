import { setTimeout } from 'node:timers/promises';
import { limits } from '../../domain/limits.ts';
import { beginStickyRun } from '../../ingest/sticky-partitioner.ts';
import { createPartsWatch } from '../../processing/parts-watch.ts';
import { pause } from '../../processing/pause.ts';
import { createPrometheus } from '../../telemetry/prometheus.ts';
import { openServerParts } from '../compose/compose.ts';
import { firstTriesOf } from '../compose/late-part.ts';
import type { Surroundings } from '../compose/parts.ts';
import { type Config, workerSettings } from '../config/config.ts';
import { startWorkerHost } from '../worker/worker-host.ts';
import { endAbandonedJobs } from './abandoned-jobs.ts';
import { atMost } from './at-most.ts';
import { createGate } from './gate.ts';
import { startHttpThreads } from './http-threads.ts';
import { listen } from './listen.ts';
import { createServerStatus } from './server-status.ts';

/** `all`: everything in this process, the worker in a thread of its own. `api`: workers run elsewhere. */
export type ServerRole = 'all' | 'api';

export interface ServeSettings {
  readonly drainMs: number;
  /** How many threads serve HTTP, the main one among them. */
  readonly httpThreads: number;
}

/**
 * Puts a server together over the parts that the configuration names, the same way for all of them, and listens. A part
 * that is away is waited for while the rest is served.
 *
 * @returns the address
 */
export async function serve(
  config: Config,
  { drainMs, httpThreads }: ServeSettings,
  role: ServerRole,
  surroundings: Surroundings,
): Promise<string> {
  const { telemetry, lifecycle, now, elapsed } = surroundings;
  const parts = await openServerParts(config, surroundings);
  const { isShared, freeDisk } = parts;
  // Before the worker and other threads: what they announce first counts as well.
  const prometheus = createPrometheus({ telemetry });
  lifecycle.add('metrics exposition', async () => prometheus.close());

  const { source, handlers } = parts.worker;
  const workerHost =
    role === 'all'
      ? startWorkerHost({ telemetry, data: { source, settings: workerSettings(config) }, handlers })
      : null;
  if (workerHost !== null) lifecycle.add('worker', () => workerHost.stop());
  // Not before: the worker's thread starts up meanwhile.
  const loading = import('./api.ts');
  const lateStore = parts.openStore(workerHost?.opened ?? Promise.resolve());
  lifecycle.add('event store', () => lateStore.close());
  const lateParts = { log: parts.log, store: lateStore, metrics: parts.metrics };
  const firstTries = firstTriesOf(Object.values(lateParts));
  await (isShared ? atMost(limits.partsFirstTryMs, firstTries) : firstTries);
  const { createApi, portsOf } = await loading;

  const ports = portsOf(parts, lateStore);
  const gate = createGate();
  const watch = createPartsWatch({
    ...ports,
    telemetry,
    elapsed,
    pause,
    onReplaced: gate.setReplaced,
    // Nobody else writes the files of one directory.
    ...(isShared ? {} : { recordsCheckEveryMs: Number.POSITIVE_INFINITY }),
  });
  lifecycle.add('parts watch', () => watch.stop());
  const { isStopping } = lifecycle;
  const status = createServerStatus({ parts, lateParts, gate, watch, workerHost, isStopping });
  const stickyRun = beginStickyRun(Math.floor(Math.random() * limits.partitionsMax));
  const { ingest, redrive, operations, app } = createApi({
    config,
    parts,
    ports,
    telemetry,
    now,
    elapsed,
    closed: status.whyClosed,
    halted: () => workerHost?.status().halted ?? new Map(),
    prometheus: prometheus.expose,
    readiness: status.readiness,
    isStopping,
    httpThreads,
    stickyRun,
  });
  const { store } = ports;
  const jobs = endAbandonedJobs({ store, telemetry, now, elapsed, isShared, isOwn: redrive.isRunning, pause });
  lifecycle.add('abandoned jobs', () => jobs.stop());
  lifecycle.add('redrive jobs', () => redrive.drain());
  lifecycle.add('ingest', () => ingest.drain());
  const otherThreads = startHttpThreads({
    count: httpThreads - 1,
    data: { config, gate: gate.memory, stickyRun, httpThreads },
    handlers: { readiness: async () => status.readiness(), prometheus: prometheus.expose },
    telemetry,
  });
  status.include(otherThreads);
  prometheus.readFrom({
    queue: () => otherThreads.withQueues(ingest.queue()),
    ledger: operations.ledger,
    lagSeconds: operations.lagSeconds,
    ...(freeDisk === null ? {} : { freeDiskBytes: freeDisk.freeBytes }),
  });
  lifecycle.add('http', () => Promise.all([app.close(), otherThreads.stop()]));

  // The log must be known to be the right one before anything is appended to it; a store that is away must not hold up
  // ingest for longer than this. Who follows a job must not see one run that nobody goes on with.
  const claimed = parts.isShared ? null : workerHost?.claimed;
  await atMost(limits.partsFirstTryMs, Promise.all([claimed, jobs.first, watch.looked]));

  const { url, port } = await listen(app, {
    ...config,
    portVariable: 'PORT',
    amongThreads: httpThreads > 1 ? 'first' : null,
  });
  // They listen once they have the log, which may be away.
  const listened = otherThreads.listen(port);
  if (parts.log.problem() === null) await atMost(limits.threadsListenMs, listened);
  // The first thing of a stop: whoever hands out requests finds out from the readiness, and stops handing them to this
  // one, before any of them is refused.
  lifecycle.add('draining', async () => {
    gate.setPhase('stopping');
    await setTimeout(drainMs);
    gate.setPhase('drained');
  });
  return url;
}
