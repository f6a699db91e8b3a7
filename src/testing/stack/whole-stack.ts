import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type KafkaServer, startKafka } from './kafka.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { type RedisServer, startRedis } from './redis.ts';
import type { PostgresMajor } from './requirements.ts';
import type { NativeServer } from './server-process.ts';

export interface WholeStackOptions {
  /** Where the three keep their data and their ports; temporary ones by default. */
  readonly directory?: string;
  readonly major?: PostgresMajor;
}

export interface WholeStack extends AsyncDisposable {
  readonly kafka: KafkaServer;
  readonly postgres: PostgresServer;
  readonly redis: RedisServer;
  /** What the program wants to be told. */
  readonly environment: Readonly<Record<'KAFKA_BROKERS' | 'DATABASE_URL' | 'REDIS_URL', string>>;
  /** In good order, the last first. */
  stop(): Promise<void>;
  dispose(): Promise<void>;
}

/** Kafka, PostgreSQL and Redis as the program uses them, for who measures it or works with it. */
export async function startWholeStack(options: WholeStackOptions = {}): Promise<WholeStack> {
  const { directory, major } = options;
  const ports = await choosePorts(directory);
  const within = (name: string) => (directory === undefined ? {} : { directory: join(directory, name) });
  const starting = [
    startKafka({ port: ports.kafka, optimised: true, ...within('kafka') }),
    startPostgres({ port: ports.postgres, ...within('postgres'), ...(major ? { major } : {}) }),
    startRedis({ port: ports.redis, ...within('redis') }),
  ] as const;
  const started = await allOrNothing(starting);
  const [kafka, postgres, redis] = started;

  async function stop(): Promise<void> {
    for (const server of started.toReversed()) await server.stop();
  }
  const dispose = async () => void (await Promise.all(started.map((server) => server.dispose())));
  const environment = { KAFKA_BROKERS: kafka.brokers, DATABASE_URL: postgres.url, REDIS_URL: redis.url };
  return { kafka, postgres, redis, environment, stop, dispose, [Symbol.asyncDispose]: dispose };
}

async function allOrNothing<Servers extends readonly Promise<NativeServer>[]>(starting: Servers) {
  try {
    return await Promise.all(starting);
  } catch (error) {
    const settled = await Promise.allSettled(starting);
    await Promise.all(settled.map((one) => (one.status === 'fulfilled' ? one.value.dispose() : null)));
    throw error;
  }
}

type Ports = Readonly<Record<'kafka' | 'postgres' | 'redis', number>>;

/** A directory keeps its ports, so that what was written down of the first start is true of the next. */
async function choosePorts(directory: string | undefined): Promise<Ports> {
  const file = directory === undefined ? null : join(directory, 'ports.json');
  const kept: Partial<Ports> = file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const ports: Ports = {
    kafka: await freePort(kept.kafka),
    postgres: await freePort(kept.postgres),
    redis: await freePort(kept.redis),
  };
  if (file) {
    mkdirSync(directory!, { recursive: true });
    writeFileSync(file, `${JSON.stringify(ports)}\n`);
  }
  return ports;
}
