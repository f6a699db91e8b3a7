import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Connection } from 'pg';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import { batchOf, claimOf, commitBatch, eventsOf, progressOf } from '../../testing/event-store.batches.ts';
import { expectClean } from '../../testing/event-store.contract.harness.ts';
import {
  makePostgresHarness,
  type PostgresStoreHarness,
  queryPostgres,
  useOwnPostgres,
  withPostgres,
} from '../../testing/postgres-store.ts';
import { freePort } from '../../testing/stack/free-port.ts';
import { startProxy } from '../../testing/stack/proxy.ts';
import { waitUntil } from '../../testing/stack/wait-until.ts';
import type { CommitRequest } from '../batch.ts';
import type { CommitResult, EventStore } from '../event-store.ts';

const server = useOwnPostgres();
let harness: PostgresStoreHarness;
beforeEach(async () => {
  harness = await makePostgresHarness(server().url);
});
afterEach(() => harness.dispose());

/** Unchanged, until its fate is known: what the worker does. */
async function commitUntilKnown(store: EventStore, request: CommitRequest): Promise<CommitResult> {
  let result: CommitResult | null = null;
  await waitUntil('the batch to be settled', async () => {
    try {
      result = await store.commit(request, decideBatch);
      return true;
    } catch (error) {
      if (error instanceof UnavailableError) return false;
      throw error;
    }
  });
  return result!;
}

describe('a server that is killed', () => {
  it('between two batches, is found again with the next call', async () => {
    const store = await harness.open();
    const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(20));
    await server().kill();
    const request = batchOf(progress, eventsOf(20));
    await expect(store.commit(request, decideBatch)).rejects.toBeInstanceOf(UnavailableError);
    await expect(store.progress(storeConsumer)).rejects.toBeInstanceOf(UnavailableError);
    await server().start();
    expect(await commitUntilKnown(store, request)).toMatchObject({ alreadyCommitted: false });
    expect((await progressOf(store)).outcomes.stored).toBe(40);
    await expectClean(store);
  });

  it('in the middle of batches of several partitions, has whole ones only, and each once', async () => {
    const store = await harness.open();
    for (let round = 0; round < 4; round++) {
      const claims = await Promise.all([0, 1, 2].map((partition) => store.claim(claimOf(partition))));
      const requests = claims.map((progress) => batchOf(progress, eventsOf(1_000)));
      const committed = requests.map((request) => store.commit(request, decideBatch));
      // When the first of them has come through, the others are on their way.
      const settled = Promise.allSettled(committed);
      if (round % 2 === 0) await Promise.race(committed);
      await server().kill();
      await settled;
      await server().start();
      for (const request of requests) {
        expect(await commitUntilKnown(store, request)).toMatchObject({ kind: 'committed' });
      }
      for (const { outcomes } of await store.progress(storeConsumer)) {
        expect(outcomes.stored).toBe((round + 1) * 1_000);
      }
      await expectClean(store);
    }
  });
});

describe('a worker', () => {
  const program = fileURLToPath(new URL('../../testing/postgres-worker.process.ts', import.meta.url));

  function startWorker(...args: readonly number[]): { child: ChildProcess; lines: AsyncIterableIterator<string> } {
    const child = spawn(process.execPath, [program, server().url, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => {
      child.kill('SIGKILL');
    });
    return { child, lines: createInterface({ input: child.stdout! })[Symbol.asyncIterator]() };
  }

  it('killed -9 leaves whole batches only', async () => {
    const recordsPerBatch = 37;
    const store = await harness.open();
    for (let round = 0; round < 3; round++) {
      const { child, lines } = startWorker(0, recordsPerBatch);
      const exited = once(child, 'exit');
      let answered = 0;
      let count = 0;
      for await (const line of lines) {
        answered = Number(line);
        if (++count === 7 + round * 4) child.kill('SIGKILL');
      }
      await exited;
      // Its last transaction may still be running: this waits for it, and from then on it can't land.
      const { nextOffset } = await store.claim(claimOf());
      expect(nextOffset % recordsPerBatch).toBe(0);
      expect(nextOffset).toBeGreaterThanOrEqual(answered);
      await expectClean(store);
    }
  });

  it('frozen inside its transaction loses the partition, and is fenced when it wakes', async () => {
    const { child, lines } = startWorker(0, 50, 2);
    const seen: string[] = [];
    for (let line = ''; line !== 'freezing'; seen.push(line)) line = (await lines.next()).value as string;
    const store = await harness.open();
    // The server takes its locks away after five seconds of silence; the claim waits for that.
    await waitUntil('the frozen worker to hold the lock', async () => {
      const idle = `SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`;
      return (await harness.query(idle)).length > 0;
    });
    const claimed = await store.claim(claimOf());
    expect(claimed).toMatchObject({ ownerEpoch: 2, nextOffset: Number(seen.at(-2)) });
    const { progress } = await commitBatch(store, claimed, eventsOf(5));
    child.kill('SIGCONT');
    expect((await lines.next()).value).toBe('fenced');
    expect(await progressOf(store)).toEqual(progress);
    await expectClean(store);
  });

  // A server that waits for the rest heeds no timeout.
  it.each([
    ['a command without its data', (wire: Connection) => wire.query('COPY events FROM STDIN')],
    [
      'a statement without its end',
      (wire: Connection) => wire.parse({ text: 'DELETE FROM events', name: '', types: [] }, false),
    ],
  ])('frozen half way through sending a batch loses its locks to who claims the partition: %s', async (_what, send) => {
    const store = await harness.open({ timeouts: { lockMs: 1_000, idleInTransactionMs: 900 } });
    const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(5));
    await withPostgres(server().url, async (frozen) => {
      await frozen.query("SET application_name = 'event-stream-processor'");
      await frozen.query('BEGIN');
      await frozen.query('SELECT FROM progress FOR UPDATE');
      const ended = Promise.withResolvers<Error>();
      frozen.query({ submit: send, handleCopyInResponse() {}, handleError: ended.resolve });
      await waitUntil('the server to wait for the rest', async () => {
        const waits = `SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'ClientRead'`;
        return (await harness.query(waits)).length > 0;
      });
      expect(await store.claim(claimOf())).toEqual({ ...progress, ownerEpoch: 2 });
      expect(await ended.promise).toMatchObject({ code: '57P01' });
    });
    await expectClean(store);
  });
});

describe('a network', () => {
  const throughPort = (port: number) => server().url.replace(`:${server().port}/`, `:${port}/`);

  it('that resets connections is an unavailable store, and then none', async () => {
    await using proxy = await startProxy({ targetPort: server().port });
    const store = await harness.open({ url: throughPort(proxy.port) });
    const progress = await store.claim(claimOf());
    const request = batchOf(progress, eventsOf(100));
    proxy.refuse();
    proxy.cut();
    await expect(store.commit(request, decideBatch)).rejects.toMatchObject({ code: 'store_unavailable' });
    await proxy.accept();
    expect(await commitUntilKnown(store, request)).toMatchObject({ alreadyCommitted: false });
    await expectClean(store);
  });

  it('that goes silent holds nobody up for longer than a bound, and is found again', async () => {
    await using proxy = await startProxy({ targetPort: server().port });
    const timeouts = { answerMs: 3_000, connectMs: 2_000, waitMs: 6_000 };
    const store = await harness.open({ url: throughPort(proxy.port), timeouts, connections: 1 });
    const claims = await Promise.all([0, 1, 2].map((partition) => store.claim(claimOf(partition))));
    const requests = claims.map((progress) => batchOf(progress, eventsOf(10)));
    proxy.hole();
    const startedAt = performance.now();
    const calls = [...requests.map((request) => store.commit(request, decideBatch)), store.ledger(storeConsumer)];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { name: 'UnavailableError' } });
    }
    // The first waits for its answer, the second in vain for a connection, and the rest is told of that.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    proxy.heal();
    for (const request of requests) {
      expect(await commitUntilKnown(store, request)).toMatchObject({ kind: 'committed' });
    }
    for (const { outcomes } of await store.progress(storeConsumer)) expect(outcomes.stored).toBe(10);
    await expectClean(store);
  });

  it('that loses the answer to a commit costs nothing: it is recognised by its token', async () => {
    await using lossy = await startLossyRelay(server().port);
    const store = await harness.open({ url: throughPort(lossy.port), connections: 1 });
    let progress = await store.claim(claimOf());
    for (let round = 0; round < 3; round++) {
      const request = batchOf(progress, eventsOf(50));
      lossy.loseAnswerTo('COMMIT\0');
      await expect(store.commit(request, decideBatch)).rejects.toBeInstanceOf(UnavailableError);
      expect(await store.commit(request, decideBatch)).toEqual({
        kind: 'committed',
        alreadyCommitted: true,
        written: null,
      });
      // Not read from the store: a read's own COMMIT, which nobody waits for, would be the one whose answer is lost.
      progress = { ...progress, nextOffset: request.nextOffset, commitToken: request.token };
    }
    expect((await progressOf(store)).outcomes.stored).toBe(150);
    await expectClean(store);
  });
});

/**
 * Hands everything on, until a client says the word: from then on nothing comes back, and once the server says it too,
 * all ends.
 */
async function startLossyRelay(targetPort: number) {
  const port = await freePort();
  let word: string | null = null;
  let lost = '';
  const listener = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    let isLost = false;
    client.on('data', (chunk) => {
      if (word !== null && chunk.includes(word)) {
        isLost = true;
        lost = word;
        word = null;
      }
      target.write(chunk);
    });
    target.on('data', (chunk) => {
      if (!isLost) client.write(chunk);
      else if (chunk.includes(lost)) client.resetAndDestroy();
    });
    for (const side of [client, target]) {
      side.on('error', () => {});
      side.on('close', () => {
        client.destroy();
        target.destroy();
      });
    }
  });
  listener.listen(port, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port,
    loseAnswerTo(wanted: string) {
      word = wanted;
    },
    async [Symbol.asyncDispose]() {
      listener.close();
    },
  };
}

describe('a connection', () => {
  it('that the server ends while it is idle is made anew without anybody noticing', async () => {
    const store = await harness.open();
    const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(5));
    const others = `FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`;
    await harness.query(`SELECT pg_terminate_backend(pid) ${others}`);
    await waitUntil('them to be gone', async () => (await harness.query(`SELECT 1 ${others}`)).length === 0);
    await commitBatch(store, progress, eventsOf(5));
    await expectClean(store);
  });

  it('that is ended while a batch waits for a lock is an unavailable store', async () => {
    const store = await harness.open();
    const progress = await store.claim(claimOf());
    const request = batchOf(progress, eventsOf(5));
    await withPostgres(server().url, async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM progress FOR UPDATE');
      const refused = expect(store.commit(request, decideBatch)).rejects.toMatchObject({ code: 'store_unavailable' });
      await waitUntil('it to wait', async () => {
        const ended = await harness.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0`,
        );
        return ended.length > 0;
      });
      await refused;
    });
    expect(await commitUntilKnown(store, request)).toMatchObject({ alreadyCommitted: false });
  });

  it('that waits for a lock gives up in time, and reads go on meanwhile', async () => {
    const store = await harness.open({ timeouts: { lockMs: 500 } });
    const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(5));
    const request = batchOf(progress, eventsOf(5));
    await withPostgres(server().url, async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM progress FOR UPDATE');
      await expect(store.commit(request, decideBatch)).rejects.toMatchObject({ code: 'store_busy' });
      await expect(store.claim(claimOf())).rejects.toMatchObject({ code: 'store_busy' });
      expect(await progressOf(store)).toEqual(progress);
      expect(await store.verify(storeConsumer)).toEqual([]);
      await holder.query('ROLLBACK');
    });
    expect(await store.commit(request, decideBatch)).toMatchObject({ alreadyCommitted: false });
    expect(await queryPostgres(server().url, 'SELECT 1 FROM pg_locks WHERE NOT granted')).toEqual([]);
  });
});
