import { Client } from 'pg';
import { checkStack } from '../../src/testing/stack/maven.ts';
import { makeDatabase } from '../../src/testing/stack/postgres.ts';
import { descendantsOf } from '../../src/testing/stack/process-table.ts';
import { startWholeStack } from '../../src/testing/stack/whole-stack.ts';
import type { LeftOut } from '../measurement.ts';
import { runCommand } from './product.ts';
import { cpuUsage } from './usage.ts';

/** Kafka, PostgreSQL and Redis on this machine, for all measurements of a run. */
export interface Servers extends AsyncDisposable {
  /** A topic, a database and keys that nothing has used yet, set up as an operator does it. */
  install(): Promise<ServerInstallation>;
  /** Processor seconds so far, by server. */
  cpuSeconds(): Readonly<Record<'kafka' | 'postgres' | 'redis', number>>;
}

export interface ServerInstallation {
  readonly settings: Readonly<Record<string, string>>;
  readonly databaseUrl: string;
}

export const partitions = 8;

export async function startServers(): Promise<Servers> {
  const stack = await startWholeStack();
  let installations = 0;

  async function install(): Promise<ServerInstallation> {
    installations += 1;
    const name = `bench_${installations}`;
    await makeDatabase(stack.postgres.url, name);
    const databaseUrl = stack.postgres.urlOf(name);
    const settings = {
      ...stack.environment,
      DATABASE_URL: databaseUrl,
      ESP_TOPIC: name,
      ESP_FAILED_TOPIC: `${name}.failed`,
      ESP_GROUP: name,
      ESP_REDIS_PREFIX: name,
      ESP_PARTITIONS: String(partitions),
    };
    await runCommand(['migrate'], settings);
    await runCommand(['topics', 'create'], settings);
    return { settings, databaseUrl };
  }

  const ofProcesses = (pid: number) =>
    [pid, ...descendantsOf(pid)].reduce((sum, one) => sum + (cpuSecondsOf(one) ?? 0), 0);
  return {
    install,
    cpuSeconds: () => ({
      kafka: ofProcesses(stack.kafka.pid()),
      postgres: ofProcesses(stack.postgres.pid()),
      redis: ofProcesses(stack.redis.pid()),
    }),
    [Symbol.asyncDispose]: stack.dispose,
  };
}

/** One stack for all who ask, started for the first of them. */
export function shareServers(): AsyncDisposable & { get(): Promise<Servers | LeftOut> } {
  let started: Promise<Servers> | null = null;
  return {
    async get() {
      const stack = checkStack();
      if (!stack.available) return { leftOut: `Kafka, PostgreSQL and Redis. ${stack.reason}` };
      started ??= startServers();
      return await started;
    },
    async [Symbol.asyncDispose]() {
      await (await started)?.[Symbol.asyncDispose]();
    },
  };
}

/** Null where the process ended meanwhile. */
function cpuSecondsOf(pid: number): number | null {
  try {
    const { totalSeconds, endedChildrenSeconds } = cpuUsage(pid);
    return totalSeconds + endedChildrenSeconds;
  } catch {
    return null;
  }
}

/** Gives back the disk of one that has grown large; nothing of the product may run on it. */
export async function dropInstallation({ databaseUrl }: ServerInstallation): Promise<void> {
  const url = new URL(databaseUrl);
  const name = url.pathname.slice(1);
  url.pathname = '/postgres';
  await withDatabase(url.href, (client) => client.query(`DROP DATABASE ${client.escapeIdentifier(name)} WITH (FORCE)`));
}

export async function withDatabase<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = await connectDatabase(url);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function connectDatabase(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 300_000 });
  await client.connect();
  return client;
}
