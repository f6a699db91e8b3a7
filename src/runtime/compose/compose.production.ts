import { readFile } from 'node:fs/promises';
import { storeConsumer } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import { createKafkaEventLog } from '../../event-log/kafka/event-log.kafka.ts';
import { createKafkaFailedTopic } from '../../event-log/kafka/failed-topic.kafka.ts';
import type { Migration } from '../../event-store/migrations.ts';
import { createPostgresEventStore } from '../../event-store/postgres/event-store.postgres.ts';
import { migratePostgres } from '../../event-store/postgres/migrations.ts';
import { postgresSettings } from '../../event-store/postgres/settings.ts';
import { createMemoryMetricsStore } from '../../metrics-store/memory/metrics-store.memory.ts';
import { createRedisMetricsStore } from '../../metrics-store/redis/metrics-store.redis.ts';
import { pause } from '../../processing/pause.ts';
import type { PartName } from '../../telemetry/telemetry.ts';
import type { KafkaConfig, ProductionConfig } from '../config/config.production.ts';
import type { Config } from '../config/config.ts';
import { type CommandParts, createCommandParts } from './command-parts.ts';
import { callsOf, firstTriesOf, type LatePart, openLate } from './late-part.ts';
import type { ServerParts, Surroundings, WorkerOpening, WorkerPartsOpening } from './parts.ts';

/** Kafka, PostgreSQL and Redis. Any of them may be away, at the start and later. */

export async function openProductionServer(
  config: Config,
  production: ProductionConfig,
  surroundings: Surroundings,
): Promise<ServerParts> {
  const { lifecycle, now } = surroundings;
  const { kafka, redis, databaseUrl } = production;
  const log = openPartOf(surroundings, 'log', () => openLog(kafka, surroundings));
  lifecycle.add('event log', () => log.close());
  const metrics = openPartOf(surroundings, 'metrics', () => createRedisMetricsStore({ ...redis, now }));
  lifecycle.add('metrics store', () => metrics.close());
  const { eventTypesMax } = config;
  return {
    log,
    metrics,
    openStore: () =>
      openPartOf(surroundings, 'store', () =>
        createPostgresEventStore({ url: databaseUrl, role: 'client', eventTypesMax }),
      ),
    verifyStore: (store) => store.verify(storeConsumer),
    createReference: () => createMemoryMetricsStore({ now }),
    worker: { source: { kind: 'production', production }, handlers: {} },
    freeDisk: null,
    isShared: true,
  };
}

export function openProductionWorker(production: ProductionConfig, opening: WorkerOpening): WorkerPartsOpening {
  const { kafka, redis, databaseUrl } = production;
  const { settings, now } = opening;
  const log = openPartOf(opening, 'log', () => openLog(kafka, opening));
  const store = openPartOf(opening, 'store', () =>
    createPostgresEventStore({ url: databaseUrl, role: 'owner', eventTypesMax: settings.eventTypesMax }),
  );
  const metrics = openPartOf(opening, 'metrics', () => createRedisMetricsStore({ ...redis, now }));
  const failedTopic = openPartOf(opening, 'failed_topic', () =>
    createKafkaFailedTopic({ ...connectionOf(kafka), topic: kafka.failedTopic }),
  );
  const all: readonly LatePart<{ close(): Promise<void> }>[] = [log, store, metrics, failedTopic];
  const opened = Promise.all([log.opened, store.opened]).then(([openLog, openStore]) => ({
    log: openLog,
    store: openStore,
    storeWriters: postgresSettings.writerConnections,
    restFactor: limits.batchRestFactor.servers,
    metrics: callsOf(metrics),
    failedTopic: { topic: callsOf(failedTopic), originTopic: kafka.topic },
    trim: null,
  }));
  // The caller may be interested in the first try alone.
  opened.catch(() => undefined);
  return {
    firstTry: firstTriesOf(all),
    opened,
    async close() {
      await Promise.all(all.map((part) => part.close()));
    },
  };
}

/** The same parts for the command line, each opened when it is asked for. */
export function openProductionCommandParts(
  { eventTypesMax }: Config,
  { kafka, redis, databaseUrl }: ProductionConfig,
): CommandParts {
  return createCommandParts({
    log: () => createKafkaEventLog({ ...connectionOf(kafka), topic: kafka.topic, group: kafka.group }),
    giveUp: null,
    store: () => createPostgresEventStore({ url: databaseUrl, role: 'client', eventTypesMax }),
    metrics: () => createRedisMetricsStore({ ...redis, now: Date.now }),
    end: async () => undefined,
  });
}

/** Safe when several run at once. */
export function migrateDatabase({ databaseUrl }: ProductionConfig): Promise<readonly Migration[]> {
  return migratePostgres({ url: databaseUrl });
}

function openLog(kafka: KafkaConfig, { telemetry }: Pick<Surroundings, 'telemetry'>) {
  return createKafkaEventLog({ ...connectionOf(kafka), topic: kafka.topic, group: kafka.group, telemetry });
}

/** How to reach the cluster, as the client takes it. */
export function connectionOf({ brokers, clientId, tls, sasl }: KafkaConfig) {
  return {
    brokers,
    clientId,
    ...(tls === null ? {} : { tls }),
    ...(sasl === null ? {} : { sasl: 'tokenFile' in sasl ? withTokenOf(sasl.tokenFile) : sasl }),
  };
}

function withTokenOf(path: string) {
  return { mechanism: 'OAUTHBEARER', token: async () => (await readFile(path, 'utf8')).trim() } as const;
}

function openPartOf<Part extends { close(): Promise<void> }>(
  { telemetry, elapsed }: Pick<Surroundings, 'telemetry' | 'elapsed'>,
  name: PartName,
  open: () => Promise<Part>,
): LatePart<Part> {
  return openLate({ name, open, close: (part) => part.close(), telemetry, elapsed, random: Math.random, pause });
}
