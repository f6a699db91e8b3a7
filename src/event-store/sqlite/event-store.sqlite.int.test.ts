import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { statSync, truncateSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import {
  batchOf,
  claimOf,
  commitBatch,
  eventOf,
  eventsOf,
  maintenanceOf,
  progressOf,
  rejectedOf,
  startAt,
} from '../../testing/event-store.batches.ts';
import type { EventStoreHarness } from '../../testing/event-store.contract.harness.ts';
import { jobOf } from '../../testing/event-store.contract.jobs.ts';
import { eventStoreContract } from '../../testing/event-store.contract.ts';
import type { EventStore } from '../event-store.ts';
import { migrate, readMigrations } from '../migrations.ts';
import { createCommits } from './commit.ts';
import { openConnection, toStoreError } from './connection.ts';
import { createSqliteEventStore, type SqliteEventStoreOptions } from './event-store.sqlite.ts';
import { createSqliteMigrationTarget } from './migrations.ts';

async function makeDirectory() {
  const directory = await mkdtemp(join(tmpdir(), 'event-store-'));
  const path = join(directory, 'store.db');
  const opened: EventStore[] = [];
  return {
    path,
    async open(options: Partial<SqliteEventStoreOptions> = {}): Promise<EventStore> {
      const store = await createSqliteEventStore({ path, role: 'owner', eventTypesMax: 2_000, ...options });
      opened.push(store);
      return store;
    },
    async dispose() {
      for (const store of opened) await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

async function makeHarness(): Promise<EventStoreHarness> {
  const { path, open, dispose } = await makeDirectory();
  return {
    open: (options) => open(options),
    openClient: () => open({ role: 'client' }),
    async execute(sql) {
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
    },
    dispose,
  };
}

eventStoreContract('event store on SQLite', makeHarness);

describe('event store on SQLite, its own promises', () => {
  let directory: Awaited<ReturnType<typeof makeDirectory>>;
  beforeEach(async () => {
    directory = await makeDirectory();
  });
  afterEach(() => directory.dispose());

  /** A store with one failed record, and a client's handle beside the owner's. */
  async function openBoth(options: { readonly busyMs?: number } = {}) {
    const store = await directory.open();
    await commitBatch(store, await store.claim(claimOf()), [rejectedOf()]);
    return directory.open({ role: 'client', ...options });
  }
  const failed = 'store:1:0:0';
  const stateOf = async (client: EventStore) => (await client.inboxEntry(failed))?.state;

  /** Somebody who writes and does not end it. */
  function lock(): { release(): void } {
    const db = new DatabaseSync(directory.path);
    db.exec('BEGIN IMMEDIATE');
    return {
      release() {
        db.exec('ROLLBACK');
        db.close();
      },
    };
  }

  describe('while somebody else writes', () => {
    it('lets the owner back off at once', async () => {
      const store = await directory.open();
      const progress = await store.claim(claimOf());
      const held = lock();
      const startedAt = performance.now();
      const busy = { name: 'UnavailableError', code: 'store_busy' };
      await expect(store.commit(batchOf(progress, [eventOf()]), decideBatch)).rejects.toMatchObject(busy);
      await expect(store.claim(claimOf())).rejects.toMatchObject(busy);
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      held.release();
      await commitBatch(store, progress, [eventOf()]);
    });

    it('reads on', async () => {
      const store = await directory.open();
      const client = await directory.open({ role: 'client' });
      const progress = await store.claim(claimOf());
      const held = lock();
      expect(await client.progress(storeConsumer)).toEqual([progress]);
      expect(await client.verify(storeConsumer)).toEqual([]);
      held.release();
    });

    it('lets a client wait for its turn without holding up the event loop', async () => {
      const client = await openBoth();
      const held = lock();
      let settled = false;
      const saved = client.discard([failed], 9).finally(() => {
        settled = true;
      });
      // Turns of the event loop that go by while the write waits: one that waited inside SQLite would allow none.
      for (let turns = 0; turns < 1_000; turns++) await nextTurn();
      expect(settled).toBe(false);
      held.release();
      await saved;
      expect(await stateOf(client)).toBe('discarded');
    });

    it('closes after the write that waits', async () => {
      const client = await openBoth();
      const held = lock();
      const saved = client.discard([failed], 9);
      const closed = client.close();
      await expect(client.job('job-1')).rejects.toThrow(/closed/);
      held.release();
      await saved;
      await closed;
      expect(await stateOf(await directory.open({ role: 'client' }))).toBe('discarded');
    });

    it('gives up in the end', async () => {
      const client = await openBoth({ busyMs: 100 });
      const held = lock();
      await expect(client.discard([failed], 9)).rejects.toMatchObject({ name: 'UnavailableError', code: 'store_busy' });
      await expect(client.claimForRedrive([failed], jobOf())).rejects.toBeInstanceOf(UnavailableError);
      held.release();
      await client.discard([failed], 9);
    });
  });

  it('refuses batches on a client’s handle', async () => {
    await directory.open();
    const client = await directory.open({ role: 'client' });
    await expect(client.claim(claimOf())).rejects.toThrow(/client/);
  });

  it('does not open as a client what no owner has made', async () => {
    await expect(directory.open({ role: 'client' })).rejects.toBeInstanceOf(StartupError);
    await writeFile(directory.path, '');
    await expect(directory.open({ role: 'client' })).rejects.toThrow(/migrat/);
  });

  it('takes the check of ids from a store that has one, and leaves all else as it is', async () => {
    const [before, withoutCheck] = [readMigrations('sqlite').slice(0, 4), readMigrations('sqlite').slice(0, 5)];
    const db = openConnection(directory.path, 'owner');
    const target = createSqliteMigrationTarget(db, Date.now);
    const insert = (id: Uint8Array, into = db) =>
      into
        .prepare(
          `INSERT INTO events VALUES (NULL, ?, 1, 0, 0, 0, 0, 0, 'a', NULL, NULL, NULL, NULL, NULL, x'00', '{}')`,
        )
        .run(id);
    const definitions = () => db.prepare('SELECT name, sql FROM sqlite_schema ORDER BY name').all();
    await migrate(target, before);
    insert(new Uint8Array(16));
    expect(() => insert(new Uint8Array(15))).toThrow(/CHECK/);
    const other = new DatabaseSync(directory.path);
    expect(() => insert(new Uint8Array(14), other)).toThrow(/CHECK/);
    const [old, row] = [definitions(), db.prepare('SELECT * FROM events').get()];

    await migrate(target, withoutCheck);
    insert(new Uint8Array(15));
    insert(new Uint8Array(14), other);
    other.close();
    expect(definitions()).toEqual(
      old.map(({ name, sql }) => ({
        name,
        sql: sql === null ? sql : `${sql}`.replace(name === 'events' ? ' CHECK (length(id) = 16)' : '', ''),
      })),
    );
    expect(db.prepare('SELECT * FROM events WHERE length(id) = 16').all()).toEqual([row]);
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    // With a check the statement that inserts many keeps a journal, and takes twice as long.
    await migrate(target, readMigrations('sqlite'));
    expect(definitions().find(({ name }) => name === 'events')?.sql).not.toMatch(/CHECK/);
    // And nobody may do such a thing afterwards.
    db.exec('PRAGMA writable_schema = ON');
    expect(() => db.exec('UPDATE sqlite_schema SET sql = NULL')).toThrow(/may not be modified/);
    db.close();
  });

  it('says so where the file is something else', async () => {
    await writeFile(directory.path, 'not a database, but long enough to be read as the head of one: '.repeat(20));
    await expect(directory.open()).rejects.toBeInstanceOf(StartupError);
  });

  it('keeps no more duplicates of one event than it shows', async () => {
    const store = await directory.open();
    const event = eventOf();
    await commitBatch(
      store,
      await store.claim(claimOf()),
      Array.from({ length: 500 }, () => event),
    );
    const db = new DatabaseSync(directory.path);
    expect({ ...db.prepare('SELECT count(*) AS rows FROM duplicates').get() }).toEqual({
      rows: limits.duplicatesKeptPerEvent,
    });
    db.close();
  });

  it('keeps the index that pruning reads only while rows are pruned', async () => {
    const store = await directory.open();
    const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(10));
    const plan = () => {
      // Explaining does not look whether another connection has changed the schema.
      const db = new DatabaseSync(directory.path);
      const oldest = 'SELECT row_no FROM events WHERE partition = 0 AND received_at < 1 ORDER BY received_at, row_no';
      const steps = db.prepare(`EXPLAIN QUERY PLAN ${oldest}`).all();
      db.close();
      return steps.map(({ detail }) => detail);
    };
    const onIndex = [expect.stringContaining('events_partition_received (partition=? AND received_at<?)')];
    expect(await store.maintain(maintenanceOf(progress, { pruneBefore: startAt }))).toEqual({ kind: 'idle' });
    expect(plan()).toEqual(onIndex);
    expect(await store.maintain(maintenanceOf(progress))).toEqual({ kind: 'idle' });
    expect(plan()).not.toEqual(onIndex);
    expect(await store.maintain(maintenanceOf(progress, { pruneBefore: startAt + 1 }))).toMatchObject({
      prunedRows: 10,
    });
    expect(plan()).toEqual(onIndex);
  });

  it('works on after the disk was full', async () => {
    const store = await directory.open();
    const progress = await store.claim(claimOf());
    await store.close();

    const db = openConnection(directory.path, 'owner');
    const commits = createCommits(db, 100);
    const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number };
    db.exec(`PRAGMA max_page_count = ${pages}`);
    const request = batchOf(progress, eventsOf(2_000));
    const thrown = (() => {
      try {
        return commits.alone({ request, decide: decideBatch });
      } catch (error) {
        return toStoreError(error);
      }
    })();
    expect(thrown).toMatchObject({ name: 'UnavailableError', code: 'disk_full' });
    expect(db.isTransaction).toBe(false);

    db.exec(`PRAGMA max_page_count = ${pages * 1_000}`);
    expect(commits.alone({ request, decide: decideBatch })).toMatchObject({
      kind: 'committed',
      alreadyCommitted: false,
    });
    db.close();
    const reopened = await directory.open();
    expect((await progressOf(reopened)).outcomes.stored).toBe(2_000);
    expect(await reopened.verify(storeConsumer)).toEqual([]);
  });

  describe('the write-ahead log', () => {
    const walBytes = () => statSync(`${directory.path}-wal`).size;
    const large = () => eventsOf(200, () => ({ payloadJson: JSON.stringify({ text: 'x'.repeat(4_000) }) }));

    it('starts over again and again', async () => {
      const store = await directory.open();
      let progress = await store.claim(claimOf());
      let written = 0;
      while (written < 120 * 1024 * 1024) {
        ({ progress } = await commitBatch(store, progress, large()));
        written += 200 * 4_000;
      }
      expect(walBytes()).toBeLessThan(48 * 1024 * 1024);
    });

    it('makes batches wait instead of growing without end under a long read', async () => {
      const store = await directory.open({ walBytesMax: 20 * 1024 * 1024 });
      let progress = await store.claim(claimOf());
      const reader = new DatabaseSync(directory.path, { readOnly: true });
      reader.exec('BEGIN');
      reader.prepare('SELECT * FROM progress').all();
      const fill = async () => {
        for (let batch = 0; batch < 60; batch++) ({ progress } = await commitBatch(store, progress, large()));
      };
      await expect(fill()).rejects.toMatchObject({ code: 'store_busy' });
      expect(walBytes()).toBeLessThan(32 * 1024 * 1024);
      reader.close();
      await commitBatch(store, progress, large());
    });
  });

  it('takes rows and progress back together where the end of the log file is gone, as after a power cut', async () => {
    const store = await directory.open();
    let progress = await store.claim(claimOf());
    for (let batch = 0; batch < 20; batch++) {
      const [first, ...others] = eventsOf(10);
      ({ progress } = await commitBatch(store, progress, [first!, ...others, first!, rejectedOf()]));
    }
    for (const part of [0, 0.3, 0.5, 0.77, 0.999]) {
      const copy = await makeDirectory();
      // By a process of its own: opening and closing the files here would drop the locks SQLite holds on them.
      for (const suffix of ['', '-wal']) spawnSync('cp', [directory.path + suffix, copy.path + suffix]);
      const { size } = statSync(`${copy.path}-wal`);
      truncateSync(`${copy.path}-wal`, Math.floor(size * part));
      const cut = await copy.open();
      const [found] = await cut.progress(storeConsumer);
      expect((found?.nextOffset ?? 0) % 12).toBe(0);
      expect(await cut.verify(storeConsumer)).toEqual([]);
      await copy.dispose();
    }
  });

  it('holds whole batches only after kill -9', { timeout: 60_000 }, async () => {
    const program = fileURLToPath(new URL('../../testing/commit-loop.ts', import.meta.url));
    const recordsPerBatch = 37;
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, [program, directory.path, String(recordsPerBatch)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      let answered = 0;
      let lines = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        answered = Number(line);
        if (++lines === 7 + round * 5) child.kill('SIGKILL');
      }
      await exited;
      const store = await directory.open();
      const { nextOffset } = await progressOf(store);
      expect(nextOffset % recordsPerBatch).toBe(0);
      expect(nextOffset).toBeGreaterThanOrEqual(answered);
      expect(await store.verify(storeConsumer)).toEqual([]);
      await store.close();
    }
  });
});
