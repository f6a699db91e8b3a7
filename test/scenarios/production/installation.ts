/**
 * What the production scenarios are made of: an installation with a topic, a database and keys of its own on real
 * servers, and the processes of it.
 */

import { join } from 'node:path';
import { expect } from 'vitest';
import { createKafkaEventLog } from '../../../src/event-log/kafka/event-log.kafka.ts';
import {
  freshDatabase,
  freshPrefix,
  freshTopicName,
  sharedBrokers,
  sharedRedisUrl,
} from '../../../src/testing/stack/shared.ts';
import {
  type CommandOutcome,
  createTempDir,
  projectRoot,
  type RunningServer,
  runEsp,
  startServer,
} from '../harness.ts';

export interface Installation {
  readonly env: Readonly<Record<string, string>>;
  /** Runs `esp …` on this installation to its end. */
  esp(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CommandOutcome>;
  start(options?: ProcessOptions): Promise<RunningServer>;
  startApi(options?: ProcessOptions): Promise<RunningServer>;
  startWorker(options?: ProcessOptions): Promise<RunningServer>;
  /** Puts values on the topic of events as another producer would, onto one partition. */
  produce(values: readonly (string | Uint8Array)[], partition?: number): Promise<void>;
}

export interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly waitUntilReady?: boolean;
  readonly timeoutMs?: number;
}

export interface InstallationOptions {
  readonly partitions?: number;
  /** Servers of its own, for a test that ends them; the shared ones by default. */
  readonly servers?: Partial<Record<'KAFKA_BROKERS' | 'DATABASE_URL' | 'REDIS_URL', string>>;
  /** false: neither tables nor topics. */
  readonly isSetUp?: boolean;
}

const mainFile = join(projectRoot, 'bin', 'esp.js');

export async function createInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const { partitions = 4, servers = {}, isSetUp = true } = options;
  const topic = freshTopicName();
  const env = {
    KAFKA_BROKERS: servers.KAFKA_BROKERS ?? (await sharedBrokers()),
    DATABASE_URL: servers.DATABASE_URL ?? (await freshDatabase()),
    REDIS_URL: servers.REDIS_URL ?? (await sharedRedisUrl()),
    ESP_REDIS_PREFIX: freshPrefix(),
    ESP_TOPIC: topic,
    ESP_FAILED_TOPIC: `${topic}.failed`,
    ESP_GROUP: topic,
    ESP_PARTITIONS: String(partitions),
  };
  const esp = (args: readonly string[], more = {}) => runEsp(args, { env: { ...env, ...more } });

  const startProcess =
    (command: string) =>
    async (given: ProcessOptions = {}) => {
      return startServer({
        command: [process.execPath, mainFile, command],
        // Nothing is to be written there.
        dataDir: createTempDir('production'),
        timeoutMs: 60_000,
        ...given,
        // Nobody hands out requests here who would have to find out first.
        env: { ESP_WORKER_PORT: '0', ESP_DRAIN_SECONDS: '0', ...env, ...given.env },
      });
    };

  if (isSetUp) {
    for (const args of [['migrate'], ['topics', 'create']]) {
      const outcome = await esp(args);
      expect(outcome, args.join(' ')).toMatchObject({ code: 0 });
    }
  }
  return {
    env,
    esp,
    start: startProcess('start'),
    startApi: startProcess('api'),
    startWorker: startProcess('worker'),
    async produce(values, partition = 0) {
      const log = await createKafkaEventLog({
        brokers: env.KAFKA_BROKERS.split(','),
        clientId: 'another-producer',
        topic,
        group: 'none',
      });
      await log.append(values.map((value) => ({ partition, value: Buffer.from(value) })));
      await log.close();
    },
  };
}
