import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import type { Connection } from './connection.ts';
import { createPool, type PoolOptions } from './pool.ts';

/** Connections that do nothing but be open, and the calls that hold them. */
function makePool(options: Partial<PoolOptions> = {}) {
  const opened: { isOpen: boolean; isClosed: boolean }[] = [];
  let failure: Error | null = null;
  const pool = createPool({
    size: 1,
    waitingMax: 2,
    waitMs: 60_000,
    async open() {
      if (failure !== null) throw failure;
      const state = { isOpen: true, isClosed: false };
      opened.push(state);
      return {
        isOpen: () => state.isOpen,
        async close() {
          state.isClosed = true;
        },
      } as Connection;
    },
    ...options,
  });

  /** A call that holds its connection until it is let go. */
  function hold() {
    const held = Promise.withResolvers<void>();
    const started = Promise.withResolvers<Connection>();
    const ended = pool.run(async (connection) => {
      started.resolve(connection);
      await held.promise;
    });
    ended.catch(started.reject);
    started.promise.catch(() => {});
    return { started: started.promise, ended, letGo: held.resolve };
  }

  return {
    pool,
    opened,
    hold,
    fail(error: Error | null) {
      failure = error;
    },
  };
}

describe('a pool of connections', () => {
  it('of one is a queue, in the order of asking', async () => {
    const { pool, opened } = makePool();
    const seen: number[] = [];
    await Promise.all([1, 2, 3].map((n) => pool.run(async () => seen.push(n))));
    expect(seen).toEqual([1, 2, 3]);
    expect(opened).toHaveLength(1);
  });

  it('opens as many as are needed at a time, and no more than it may', async () => {
    const { pool, opened, hold } = makePool({ size: 2 });
    for (let n = 0; n < 3; n++) await pool.run(async () => {});
    expect(opened).toHaveLength(1);
    const holds = [hold(), hold(), hold()];
    await Promise.all([holds[0]!.started, holds[1]!.started]);
    expect(opened).toHaveLength(2);
    holds[1]!.letGo();
    expect(await holds[2]!.started).toBe(await holds[1]!.started);
    for (const each of holds) each.letGo();
    await Promise.all(holds.map(({ ended }) => ended));
  });

  it('answers who leaves something unfinished at once, and lets who comes next wait for it', async () => {
    const { pool, opened } = makePool();
    const settling = Promise.withResolvers<void>();
    const seen: string[] = [];
    await pool.run(async (_, leave) => leave(settling.promise));
    const next = pool.run(async () => seen.push('next'));
    await new Promise(setImmediate);
    expect(seen).toEqual([]);
    // What was left took the connection with it.
    opened[0]!.isOpen = false;
    settling.resolve();
    await next;
    expect(seen).toEqual(['next']);
    expect(opened).toHaveLength(2);
    await pool.run(async () => seen.push('and the next'));
    expect(opened).toHaveLength(2);
  });

  it('makes a connection anew that was lost', async () => {
    const { pool, opened } = makePool();
    await expect(
      pool.run(async () => {
        opened[0]!.isOpen = false;
        throw new UnavailableError('store_unavailable', 'gone');
      }),
    ).rejects.toThrow('gone');
    await pool.run(async (connection) => expect(connection.isOpen()).toBe(true));
    expect(opened).toHaveLength(2);
  });

  it('bounds those who wait, and how long they do', async () => {
    const { hold } = makePool({ waitMs: 30 });
    const first = hold();
    await first.started;
    const [second, third, fourth] = [hold(), hold(), hold()];
    await expect(fourth.ended).rejects.toMatchObject({ code: 'store_busy', message: expect.stringMatching(/2 calls/) });
    await expect(second.ended).rejects.toMatchObject({ code: 'store_busy', message: expect.stringMatching(/30 ms/) });
    await expect(third.ended).rejects.toMatchObject({ code: 'store_busy' });
    first.letGo();
    await first.ended;
    const next = hold();
    await next.started;
    next.letGo();
    await next.ended;
  });

  it('tells all who wait that there is no server', async () => {
    const { pool, opened, hold, fail } = makePool();
    const first = hold();
    await first.started;
    const waiting = [hold(), hold()];
    opened[0]!.isOpen = false;
    fail(new UnavailableError('store_unavailable', 'refused'));
    first.letGo();
    for (const { ended } of waiting) await expect(ended).rejects.toThrow('refused');
    fail(null);
    await pool.run(async (connection) => expect(connection.isOpen()).toBe(true));
  });

  it('ends its connections', async () => {
    const { pool, opened } = makePool({ size: 2 });
    await Promise.all([pool.run(async () => {}), pool.run(async () => {})]);
    await pool.close();
    expect(opened.map(({ isClosed }) => isClosed)).toEqual([true, true]);
  });
});
