import { describe, expect, it } from 'vitest';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { claimOf, commitBatch, eventsOf } from '../../testing/event-store.batches.ts';
import { expectClean } from '../../testing/event-store.contract.harness.ts';
import { makePostgresHarness, queryPostgres } from '../../testing/postgres-store.ts';
import { freePort } from '../../testing/stack/free-port.ts';
import { freshDatabase } from '../../testing/stack/shared.ts';
import { readMigrations } from '../migrations.ts';
import { createPostgresEventStore } from './event-store.postgres.ts';
import { migratePostgres, pendingMigrations } from './migrations.ts';

const open = (url: string) => createPostgresEventStore({ url, role: 'owner', eventTypesMax: 100 });

describe('migrations', () => {
  const all = readMigrations('postgres');

  it('are never applied by a start, which says what to do', async () => {
    const url = await freshDatabase();
    expect(await pendingMigrations({ url })).toEqual(all);
    await expect(open(url)).rejects.toThrow(StartupError);
    await expect(open(url)).rejects.toThrow(/esp migrate/);
    expect(await pendingMigrations({ url })).toEqual(all);
  });

  it('are applied once, however many apply them at the same time, and again at any time', async () => {
    const url = await freshDatabase();
    const applied = await Promise.all([1, 2, 3, 4].map(() => migratePostgres({ url, now: () => 5 })));
    expect(applied.flat().sort((a, b) => a.version - b.version)).toEqual(all);
    expect(await migratePostgres({ url })).toEqual([]);
    expect(await pendingMigrations({ url })).toEqual([]);
    const recorded = await queryPostgres(url, 'SELECT version, name, checksum, applied_at FROM schema_migrations');
    expect(recorded).toEqual(all.map(({ version, name, checksum }) => ({ version, name, checksum, applied_at: '5' })));
    await (await open(url)).close();
  });

  it('of a newer version keep an older program out, and a text that was changed keeps any out', async () => {
    const url = await freshDatabase();
    await migratePostgres({ url });
    await queryPostgres(url, `INSERT INTO schema_migrations VALUES (9999, 'from_the_future', 'x', 1)`);
    for (const attempt of [
      open,
      (at: string) => migratePostgres({ url: at }),
      (at: string) => pendingMigrations({ url: at }),
    ]) {
      await expect(attempt(url)).rejects.toThrow(/newer version/);
    }
    await queryPostgres(url, `DELETE FROM schema_migrations WHERE version = 9999`);
    await queryPostgres(url, `UPDATE schema_migrations SET checksum = 'x' WHERE version = 1`);
    await expect(open(url)).rejects.toThrow(/another text/);
  });

  it('that fail leave nothing behind', async () => {
    const url = await freshDatabase();
    await queryPostgres(url, 'CREATE TABLE jobs (taken text)');
    await expect(migratePostgres({ url })).rejects.toThrow(/"jobs" already exists/);
    expect(await pendingMigrations({ url })).toEqual(all);
    expect(await queryPostgres(url, `SELECT to_regclass('events') AS events`)).toEqual([{ events: null }]);
  });
});

describe('a start', () => {
  it('says that it was refused, without the password', async () => {
    const url = await freshDatabase();
    const wrong = new URL(url);
    wrong.password = 'not-the-password';
    const refused = open(wrong.href);
    await expect(refused).rejects.toThrow(StartupError);
    await expect(refused).rejects.toThrow(/password authentication failed/);
    await expect(refused).rejects.not.toThrow(/not-the-password/);
    const elsewhere = new URL(url);
    elsewhere.pathname = '/no_such_database';
    await expect(open(elsewhere.href)).rejects.toThrow(/no_such_database/);
    await expect(open(elsewhere.href)).rejects.toThrow(StartupError);
  });

  it('on a server that is away is a thing to wait for', async () => {
    const port = await freePort();
    const away = open(`postgres://esp:secret@127.0.0.1:${port}/esp`);
    await expect(away).rejects.toThrow(UnavailableError);
    await expect(away).rejects.not.toThrow(/secret/);
  });

  it('refuses TLS that the server does not have', async () => {
    const url = await freshDatabase();
    await expect(open(`${url}?sslmode=require`)).rejects.toThrow(StartupError);
    await expect(open(`${url}?sslmode=require`)).rejects.toThrow(/sslmode/);
  });

  it('needs nothing of how the database is set', async () => {
    const url = await freshDatabase();
    await migratePostgres({ url });
    const name = new URL(url).pathname.slice(1);
    for (const setting of [
      `default_transaction_isolation = 'serializable'`,
      'default_transaction_read_only = on',
      `search_path = 'public'`,
      `bytea_output = 'escape'`,
      `DateStyle = 'German'`,
      `TimeZone = 'Asia/Kathmandu'`,
      `IntervalStyle = 'iso_8601'`,
      'extra_float_digits = 0',
      'standard_conforming_strings = on',
      // Last: it is meant for the store, not for what sets the others.
      'statement_timeout = 50',
    ]) {
      await queryPostgres(
        url,
        `BEGIN READ WRITE; SET LOCAL statement_timeout = 0; ALTER DATABASE ${name} SET ${setting}; COMMIT`,
      );
    }
    const store = await open(url);
    try {
      const events = eventsOf(10);
      await commitBatch(store, await store.claim(claimOf()), events);
      expect((await store.events({ limit: 10 })).items).toHaveLength(10);
      expect(await store.ledger(storeConsumer)).toMatchObject({ logNo: 1, openInInbox: 0 });
      await expectClean(store);
    } finally {
      await store.close();
    }
  });

  it('opens no connection that it does not need', async () => {
    const url = await freshDatabase();
    await migratePostgres({ url });
    const harness = await makePostgresHarness(url);
    const store = await harness.open({ connections: 4 });
    const progress = await store.claim(claimOf());
    for (let n = 0; n < 5; n++) await store.progress(storeConsumer);
    await commitBatch(store, progress, eventsOf(2));
    const [sessions] = await harness.query(
      'SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    // One for the partition's batches, one for everything else.
    expect(sessions).toEqual({ n: 2 });
    await harness.dispose();
  });
});
