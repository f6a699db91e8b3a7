import type { MetricsStore } from '../../metrics-store/metrics-store.ts';
import type { Config } from '../config/config.ts';
import type { CommandParts } from './command-parts.ts';
import type { ServerParts, Surroundings, WorkerOpening, WorkerPartsOpening } from './parts.ts';

/**
 * The composition root. What implements the ports is named in the files compose.*.ts and nowhere else, and imported
 * only when it is used: an embedded server never loads the clients of Kafka, PostgreSQL and Redis.
 *
 * @throws StartupError with what to do, where a place can't be used
 */
export async function openServerParts(config: Config, surroundings: Surroundings): Promise<ServerParts> {
  if (config.production === null) {
    const { openEmbeddedServer } = await import('./compose.embedded.ts');
    return openEmbeddedServer(config, surroundings);
  }
  const { openProductionServer } = await import('./compose.production.ts');
  return openProductionServer(config, config.production, surroundings);
}

export async function openWorkerParts(opening: WorkerOpening): Promise<WorkerPartsOpening> {
  const { source } = opening;
  if (source.kind === 'embedded') {
    const { openEmbeddedWorker } = await import('./compose.embedded.ts');
    return openEmbeddedWorker(source, opening);
  }
  const { openProductionWorker } = await import('./compose.production.ts');
  return openProductionWorker(source.production, opening);
}

/** For the command line. @throws StartupError where a server holds the data directory */
export async function openCommandParts(config: Config): Promise<CommandParts> {
  if (config.production === null) {
    const { openEmbeddedCommandParts } = await import('./compose.embedded.ts');
    return openEmbeddedCommandParts(config);
  }
  const { openProductionCommandParts } = await import('./compose.production.ts');
  return openProductionCommandParts(config, config.production);
}

/** An empty metrics store to compare another one with. */
export async function createReferenceMetrics(now: () => number): Promise<() => MetricsStore> {
  const { createMemoryMetricsStore } = await import('../../metrics-store/memory/metrics-store.memory.ts');
  return () => createMemoryMetricsStore({ now });
}
