import { Client } from 'pg';
import { afterAll, beforeAll } from 'vitest';
import type { EventStore } from '../event-store/event-store.ts';
import {
  createPostgresEventStore,
  type PostgresEventStoreOptions,
} from '../event-store/postgres/event-store.postgres.ts';
import { migratePostgres } from '../event-store/postgres/migrations.ts';
import type { EventStoreHarness } from './event-store.contract.harness.ts';
import { type PostgresOptions, type PostgresServer, startPostgres } from './stack/postgres.ts';
import { freshDatabase } from './stack/shared.ts';

/**
 * A database of its own for the test file or the enclosing describe, with the schema, on the server that all tests
 * share.
 */
export function useDatabase(): () => string {
  let url: string;
  beforeAll(async () => {
    url = await freshDatabase();
    await migratePostgres({ url });
  });
  return () => url;
}

/** A server of its own, to be treated badly, with the schema in its database. */
export function useOwnPostgres(options: PostgresOptions = {}): () => PostgresServer {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres(options);
    await migratePostgres({ url: server.url });
  });
  afterAll(() => server?.dispose());
  return () => server;
}

export interface PostgresStoreHarness extends EventStoreHarness {
  open(options?: Partial<PostgresEventStoreOptions>): Promise<EventStore>;
  query(sql: string): Promise<Record<string, unknown>[]>;
}

/** Empties the store, then opens as many handles on it as are asked for. */
export async function makePostgresHarness(url: string): Promise<PostgresStoreHarness> {
  const opened: EventStore[] = [];

  async function open(options: Partial<PostgresEventStoreOptions> = {}): Promise<EventStore> {
    const store = await createPostgresEventStore({ url, role: 'owner', eventTypesMax: 2_000, ...options });
    opened.push(store);
    return store;
  }

  await emptyStore(url);
  return {
    open,
    openClient: () => open({ role: 'client' }),
    execute: async (sql) => {
      await queryPostgres(url, sql);
    },
    query: (sql) => queryPostgres(url, sql),
    async dispose() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
}

/** On a connection of its own. */
export async function queryPostgres(url: string, sql: string): Promise<Record<string, unknown>[]> {
  return withPostgres(url, async (client) => (await client.query<Record<string, unknown>>(sql)).rows);
}

export async function withPostgres<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** One statement deletes from all tables, which is many times faster than truncating small ones. */
async function emptyStore(url: string): Promise<void> {
  const tables = ['events', 'duplicates', 'inbox', 'rollup_counts', 'rollup_latency', 'type_totals', 'event_types'];
  await queryPostgres(
    url,
    [...tables, 'publications', 'inbox_pruned', 'redrive_claims', 'jobs', 'progress', 'logs']
      .map((table) => `DELETE FROM ${table}`)
      .join(';'),
  );
}
