import { limits } from '../../domain/limits.ts';
import { createHealthApp } from '../../http/app.ts';
import type { Readiness } from '../../http/dependencies.ts';
import { createPartsWatch, type PartsWatch } from '../../processing/parts-watch.ts';
import { pause } from '../../processing/pause.ts';
import { createLogListener } from '../../telemetry/log-listener.ts';
import { createPrometheus } from '../../telemetry/prometheus.ts';
import { createTelemetry, type PartName, type Telemetry } from '../../telemetry/telemetry.ts';
import { openWorkerParts } from '../compose/compose.ts';
import type { Surroundings } from '../compose/parts.ts';
import { type Config, workerSettings } from '../config/config.ts';
import { runWorker } from '../worker/run-worker.ts';
import type { WorkerStatus } from '../worker/worker-host.ts';
import { atMost } from './at-most.ts';
import { createLifecycle } from './lifecycle.ts';
import { listen } from './listen.ts';
import { machineClocks } from './machine-clocks.ts';
import { productVersion } from './package-files.ts';
import { awayReasons, closedReason, joiningReasons, toReadiness, workerReasons } from './readiness.ts';
import { type RunningServer, refuseEmbedded } from './start.ts';

export interface RunningWorkerProcess extends RunningServer {
  /** Resolves with what is wrong, if the worker can't go on: a bug. Whoever watches over the process starts it anew. */
  readonly failed: Promise<Error>;
}

/**
 * Starts a worker as a process of its own, in its main thread, beside a small listener for its health. What it works
 * with is waited for.
 *
 * @throws StartupError with what to do, where a setting is wrong or something has to be set up first
 */
export async function startWorker(config: Config): Promise<RunningWorkerProcess> {
  refuseEmbedded(config, 'esp worker');
  const startedAt = performance.now();
  const telemetry = createTelemetry();
  createLogListener({ telemetry, level: config.logLevel, format: config.logFormat });
  const lifecycle = createLifecycle({ telemetry, deadlineMs: limits.shutdownMs });
  try {
    const work = createWork();
    const surroundings = { telemetry, lifecycle, ...machineClocks };
    const url = await listenForHealth(config, work, surroundings);
    await beginWork(config, work, surroundings);
    telemetry.emit('process.started', { role: 'worker', readyMs: Math.round(performance.now() - startedAt) });
    return { url, stop: (reason) => lifecycle.stop(reason), failed: work.failed.promise };
  } catch (error) {
    telemetry.emit('process.unstarted', { error: error instanceof Error ? error.message : String(error) });
    await lifecycle.stop('failed to start');
    throw error;
  }
}

/** What is known of the work while it goes on. */
interface Work {
  readonly failed: PromiseWithResolvers<Error>;
  /** Part → why it is not open yet. */
  readonly opening: Map<PartName, string>;
  status: WorkerStatus | null;
  watch: PartsWatch | null;
}

function createWork(): Work {
  return { failed: Promise.withResolvers<Error>(), opening: new Map(), status: null, watch: null };
}

async function listenForHealth(config: Config, work: Work, surroundings: Surroundings): Promise<string> {
  const { telemetry, lifecycle } = surroundings;
  const prometheus = createPrometheus({ telemetry });
  lifecycle.add('metrics exposition', async () => prometheus.close());

  function readiness(): Readiness {
    const replaced = work.watch?.replaced() ?? null;
    const closed = lifecycle.isStopping() ? 'shutting_down' : replaced === null ? null : 'log_replaced';
    return toReadiness([
      ...closedReason(closed, replaced),
      ...awayReasons([...work.opening], work.watch?.away() ?? new Map(), ['log', 'store']),
      ...(work.status === null ? joiningReasons(work.opening.size > 0) : workerReasons(work.status)),
    ]);
  }
  const app = createHealthApp({
    telemetry,
    prometheus: () => prometheus.expose(),
    readiness,
    isStopping: lifecycle.isStopping,
    options: {
      version: productVersion(),
      allowedHosts: config.allowedHosts,
      allowedOrigins: config.allowedOrigins,
      dashboardDir: null,
    },
  });
  lifecycle.add('http', () => app.close());
  const { host, workerPort: port } = config;
  const { url } = await listen(app, { host, port, portVariable: 'ESP_WORKER_PORT' });
  return url;
}

/** Returns when every part has been tried once, or after a while; the work begins as soon as they are there. */
async function beginWork(
  config: Config,
  work: Work,
  { telemetry, lifecycle, now, elapsed }: Surroundings,
): Promise<void> {
  followOpening(telemetry, work.opening);
  const settings = workerSettings(config);
  const source = { kind: 'production', production: config.production! } as const;
  const opening = await openWorkerParts({ source, settings, telemetry, now, elapsed, main: null });
  lifecycle.add('parts', () => opening.close());
  await atMost(limits.partsFirstTryMs, opening.firstTry);
  void opening.opened.then(
    (parts) => {
      if (lifecycle.isStopping()) return;
      const watch = createPartsWatch({ ...parts, telemetry, elapsed, pause });
      work.watch = watch;
      lifecycle.add('parts watch', () => watch.stop());
      const worker = runWorker({
        parts,
        settings,
        telemetry,
        now,
        elapsed,
        onClaimed(working, halted) {
          work.status = { running: true, working, halted };
        },
      });
      lifecycle.add('worker', () => worker.stop());
      worker.ended.catch(work.failed.resolve);
    },
    // Closed before it was open: the process stops.
    () => undefined,
  );
}

function followOpening(telemetry: Telemetry, opening: Map<PartName, string>): void {
  telemetry.on('part.waiting', ({ part, reason }) => opening.set(part, reason));
  telemetry.on('part.opened', ({ part }) => opening.delete(part));
}
