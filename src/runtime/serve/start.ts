import { StartupError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { createLogListener } from '../../telemetry/log-listener.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { connectionVariables } from '../config/config.production.ts';
import type { Config } from '../config/config.ts';
import { createLifecycle } from './lifecycle.ts';
import { machineClocks } from './machine-clocks.ts';
import { type ServerRole, serve } from './serve.ts';

export interface RunningServer {
  readonly url: string;
  /** Stops in reverse order of starting. `forced` tells that the deadline ended it. */
  stop(reason: string): Promise<{ readonly forced: boolean }>;
}

/**
 * Starts a server over the parts that the configuration names. Each part pushes its own end onto the lifecycle;
 * stopping runs them backwards. A part that is away is waited for while the rest is served.
 *
 * @throws StartupError with what to do, when a place can't be used or a setting is wrong
 */
export async function startServer(config: Config, role: ServerRole = 'all'): Promise<RunningServer> {
  if (role === 'api') refuseEmbedded(config, 'esp api');
  const startedAt = performance.now();
  const telemetry = createTelemetry();
  createLogListener({ telemetry, level: config.logLevel, format: config.logFormat });
  const drainMs = config.drainMs ?? (role === 'api' ? limits.drainMs : 0);
  const lifecycle = createLifecycle({ telemetry, deadlineMs: drainMs + limits.shutdownMs });

  try {
    const settings = { drainMs, httpThreads: httpThreadsOf(config, role) };
    const url = await serve(config, settings, role, { telemetry, lifecycle, ...machineClocks });
    telemetry.emit('process.started', { role, readyMs: Math.round(performance.now() - startedAt) });
    if (!isLoopback(config.host)) telemetry.emit('process.exposed', { host: config.host, advice: exposedAdvice });
    return { url, stop: (reason) => lifecycle.stop(reason) };
  } catch (error) {
    telemetry.emit('process.unstarted', { error: error instanceof Error ? error.message : String(error) });
    await lifecycle.stop('failed to start');
    throw error;
  }
}

/** @throws StartupError where more than one is asked for and one has to serve */
function httpThreadsOf({ httpThreads }: Config, role: ServerRole): number {
  if (role === 'api' || httpThreads === 1) return httpThreads;
  throw new StartupError(
    'ESP_HTTP_THREADS is for esp api: in esp start one thread serves HTTP. Unset it, or set it to 1.',
  );
}

const exposedAdvice = 'let only a proxy with authentication reach it';

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** @throws StartupError where one process has to do everything, since the files of a directory belong to one. */
export function refuseEmbedded({ production }: Config, command: string): void {
  if (production !== null) return;
  throw new StartupError(
    `${command} is a part of an installation on Kafka, PostgreSQL and Redis: set ${connectionVariables.join(', ')}. ` +
      'Embedded, one process owns the data directory and does everything: esp start.',
  );
}
