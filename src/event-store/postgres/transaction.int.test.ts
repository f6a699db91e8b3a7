import { DatabaseError } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import { batchOf, claimOf, commitBatch, eventOf, eventsOf, rejectedOf } from '../../testing/event-store.batches.ts';
import { expectClean } from '../../testing/event-store.contract.harness.ts';
import { makePostgresHarness, queryPostgres, useDatabase, withPostgres } from '../../testing/postgres-store.ts';
import { waitUntil } from '../../testing/stack/wait-until.ts';
import { type Connection, connect } from './connection.ts';
import { inReadTransaction, inTransaction } from './database.ts';
import { createPool } from './pool.ts';
import { together } from './together.ts';
import { readServerAddress } from './url.ts';

const url = useDatabase();

async function open(): Promise<Connection> {
  const connection = await connect({ address: readServerAddress(url()), connectMs: 5_000, answerMs: 10_000 });
  onTestFinished(() => connection.close());
  return connection;
}

/** A table of numbers, with 1 in it. */
async function makeNumbers(): Promise<() => Promise<unknown[]>> {
  await queryPostgres(url(), 'DROP TABLE IF EXISTS numbers; CREATE TABLE numbers (n integer PRIMARY KEY)');
  await queryPostgres(url(), 'INSERT INTO numbers VALUES (1)');
  return async () => (await queryPostgres(url(), 'SELECT n FROM numbers ORDER BY n')).map(({ n }) => n);
}

const insert = (connection: Connection, n: number) => connection.changes('INSERT INTO numbers VALUES ($1)', [n]);

describe('a transaction that sends its commit behind its last statements', () => {
  it('is whole', async () => {
    const numbers = await makeNumbers();
    const connection = await open();
    await inTransaction(connection, 'BEGIN', async (_, { begun, commit }) => {
      await begun;
      await together([insert(connection, 2), insert(connection, 3), commit()]);
    });
    expect(await numbers()).toEqual([1, 2, 3]);
    expect(connection.isOpen()).toBe(true);
  });

  it('is nothing where one of them fails, and the connection goes on', async () => {
    const numbers = await makeNumbers();
    const connection = await open();
    const failing = inTransaction(connection, 'BEGIN', async (_, { begun, commit }) => {
      await begun;
      await together([insert(connection, 2), insert(connection, 1), insert(connection, 3), commit()]);
    });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect(await numbers()).toEqual([1]);
    await inTransaction(connection, 'BEGIN', () => insert(connection, 4));
    expect(await numbers()).toEqual([1, 4]);
  });

  it('can not commit before it has begun', async () => {
    const numbers = await makeNumbers();
    const connection = await open();
    const early = inTransaction(connection, 'BEGIN', async (_, { commit }) =>
      together([insert(connection, 2), commit()]),
    );
    await expect(early).rejects.toThrow('before it is known to have begun');
    expect(await numbers()).toEqual([1]);
  });
});

describe('a transaction that does not begin', () => {
  // As where the server is told to cancel what it does just then: no block is open.
  const begin = 'BEGIN NONSENSE';

  it('takes nothing, whatever it would have sent after the first answers', async () => {
    const numbers = await makeNumbers();
    const connection = await open();
    const failing = inTransaction(connection, begin, async (_, { commit }) => {
      await connection.rows('SELECT n FROM numbers FOR UPDATE');
      await together([insert(connection, 2), insert(connection, 3), commit()]);
    });
    await expect(failing).rejects.toMatchObject({ code: '42601' });
    expect(await numbers()).toEqual([1]);
    expect(connection.isOpen()).toBe(false);
  });

  it('answers nothing that it has read', async () => {
    const connection = await open();
    const read = inTransaction(connection, begin, () => connection.rows('SELECT 1'));
    await expect(read).rejects.toBeInstanceOf(DatabaseError);
  });
});

describe('a transaction that only reads', () => {
  const readOnly = 'BEGIN READ ONLY';

  /** A pool of one connection, whose first one has a COMMIT of its own. */
  async function setUp(commitOfFirst: (connection: Connection) => Promise<string>) {
    const numbers = await makeNumbers();
    const opened: Connection[] = [];
    const pool = createPool({
      size: 1,
      waitingMax: 1,
      waitMs: 10_000,
      async open() {
        const connection = await open();
        opened.push(connection);
        const run: Connection['run'] = (text) =>
          text === 'COMMIT' && connection === opened[0] ? commitOfFirst(connection) : connection.run(text);
        return { ...connection, run };
      },
    });
    const read = () =>
      pool.run((connection, leave) =>
        inReadTransaction(connection, readOnly, () => connection.rows('SELECT 1 AS n'), leave),
      );
    const write = (n: number) =>
      pool.run((connection) => inTransaction(connection, 'BEGIN', () => insert(connection, n)));
    return { numbers, opened, pool, read, write };
  }

  it('answers before its end is known, and who comes next waits for that', async () => {
    const held = Promise.withResolvers<void>();
    let isEnded = false;
    const { numbers, opened, read, write } = await setUp(async (connection) => {
      const command = await connection.run('COMMIT');
      if (isEnded) return command;
      await held.promise;
      isEnded = true;
      return command;
    });
    expect(await read()).toEqual([{ n: 1 }]);
    expect(isEnded).toBe(false);
    const writing = write(2).then(() => expect(isEnded).toBe(true));
    // Time enough to write, if it did not wait.
    await queryPostgres(url(), 'SELECT pg_sleep(0.05)');
    expect(await numbers()).toEqual([1]);
    held.resolve();
    await writing;
    expect(await numbers()).toEqual([1, 2]);
    expect(opened).toHaveLength(1);
  });

  it('fails with what fails in it, and the connection goes on', async () => {
    const { numbers, opened, pool, write } = await setUp((connection) => connection.run('COMMIT'));
    const failing = pool.run((connection, leave) =>
      inReadTransaction(connection, readOnly, () => connection.rows('SELECT 1 / 0'), leave),
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    await write(2);
    expect(await numbers()).toEqual([1, 2]);
    expect(opened).toHaveLength(1);
  });

  it('leaves its failed end to nobody: who comes next has another connection', async () => {
    // As where the server is told to cancel the COMMIT: the block is open still, and takes nothing.
    const { numbers, opened, read, write } = await setUp((connection) => connection.run('SELECT 1 / 0'));
    expect(await read()).toEqual([{ n: 1 }]);
    await write(2);
    expect(await numbers()).toEqual([1, 2]);
    expect(opened.map((connection) => connection.isOpen())).toEqual([false, true]);
  });
});

it('cancelled at any moment, a batch lands whole and once, and reads are told that the store is away', async () => {
  const harness = await makePostgresHarness(url());
  onTestFinished(() => harness.dispose());
  const store = await harness.open();
  let progress = await store.claim(claimOf());
  let stored = 0;
  await withPostgres(url(), async (canceller) => {
    const others = `FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    let isOver = false;
    const cancelling = (async () => {
      let cancelled = 0;
      while (!isOver) cancelled += (await canceller.query(`SELECT pg_cancel_backend(pid) ${others}`)).rowCount ?? 0;
      return cancelled;
    })();
    const reading = (async () => {
      const failures: unknown[] = [];
      while (!isOver) {
        const reads = [store.progress(storeConsumer), store.events({ limit: 1 }), store.ledger(storeConsumer)];
        for (const read of await Promise.allSettled(reads)) if (read.status === 'rejected') failures.push(read.reason);
      }
      return failures;
    })();
    for (let round = 0; round < 25; round += 1) {
      const request = batchOf(progress, eventsOf(20));
      await waitUntil('the batch to be settled', async () => {
        const result = await store.commit(request, decideBatch).catch(() => null);
        return result?.kind === 'committed';
      });
      stored += 20;
      progress = { ...progress, nextOffset: request.nextOffset, commitToken: request.token };
    }
    isOver = true;
    expect(await cancelling).toBeGreaterThan(0);
    // Whatever was cancelled, the store was away for a moment: no read takes it for a bug.
    for (const failure of await reading) expect(failure).toBeInstanceOf(UnavailableError);
  });
  expect((await store.progress(storeConsumer))[0]).toMatchObject({ outcomes: { stored } });
  await expectClean(store);
});

it('a batch that can not be sent whole fails, with what was sent of it, and nothing else does', async () => {
  const harness = await makePostgresHarness(url());
  onTestFinished(() => harness.dispose());
  const store = await harness.open({ timeouts: { lockMs: 500 } });
  const unheard: unknown[] = [];
  const hear = (error: unknown) => unheard.push(error);
  process.on('unhandledRejection', hear);
  onTestFinished(() => void process.off('unhandledRejection', hear));
  const progress = await store.claim(claimOf());
  const event = eventOf();
  await withPostgres(url(), async (other) => {
    await other.query('BEGIN');
    await other.query(`INSERT INTO events (id, log_no, partition, log_offset, received_at, stored_at, counted_as_other,
      event_type, content_hash, payload) VALUES ('${event.id}', 9, 9, 9, 1, 1, false, 't', '', '{}')`);
    // The event's COPY waits for the other transaction; what comes behind it can not be written at all.
    const broken = rejectedOf({ receivedAt: 2 ** 60 });
    await expect(store.commit(batchOf(progress, [event, broken]), decideBatch)).rejects.toThrow('no column');
    await other.query('ROLLBACK');
  });
  await commitBatch(store, progress, [event]);
  await expectClean(store);
  expect(unheard).toEqual([]);
});
