import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import type { PartitionProgress } from '../event-store/event-store.ts';
import type { MetricsChange } from '../metrics-store/metrics-store.ts';
import { createProgressWatch } from './progress-watch.ts';

/** `at` is what the store says, `hear` what the metrics store does; a look comes when `look` is called. */
function setUp() {
  const at = new Map<number, number>();
  const listeners: ((change: MetricsChange) => void)[] = [];
  const pauses: (() => void)[] = [];
  const state = { looks: 0, error: null as Error | null };
  const watch = createProgressWatch({
    store: {
      async progress() {
        state.looks += 1;
        if (state.error !== null) throw state.error;
        return [...at].map(([partition, nextOffset]) => ({ partition, nextOffset }) as PartitionProgress);
      },
    },
    metrics: {
      subscribe(listener) {
        listeners.push(listener);
        return () => undefined;
      },
    },
    pause: () => new Promise((resolve) => pauses.push(resolve)),
  });
  function hear(partition: number, nextOffset: number): void {
    const watermark = { logNo: 1, nextOffset, commitToken: 'x' };
    for (const listener of listeners) listener({ partition, watermark, recent: [] });
  }
  async function look(): Promise<void> {
    for (const resume of pauses.splice(0)) resume();
    await nextTurn();
  }
  /** Whether it has resolved by now. */
  async function isSettled(promise: Promise<unknown>): Promise<boolean> {
    const pending = Symbol('pending');
    return (await Promise.race([promise, nextTurn(pending)])) !== pending;
  }
  return { watch, at, listeners, pauses, state, hear, look, isSettled };
}

test('a wait is over once all of its partitions are past their places, and no sooner', async () => {
  const { watch, hear, isSettled } = setUp();
  const { reached } = watch.wait(
    new Map([
      [0, 5],
      [1, 2],
    ]),
  );
  hear(0, 5);
  hear(1, 3);
  expect(await isSettled(reached)).toBe(false);
  expect([watch.isPast(0, 5), watch.isPast(1, 2)]).toEqual([false, true]);
  hear(0, 6);
  expect(await isSettled(reached)).toBe(true);
});

test('what was heard before counts, and what is heard of another partition does not', async () => {
  const { watch, hear, isSettled } = setUp();
  watch.wait(new Map([[0, 0]]));
  hear(0, 10);
  expect(await isSettled(watch.wait(new Map([[0, 9]])).reached)).toBe(true);
  const other = watch.wait(new Map([[1, 0]]));
  hear(0, 20);
  expect(await isSettled(other.reached)).toBe(false);
});

test('who has left is told nothing, and nobody looks for who is not there', async () => {
  const { watch, at, state, hear, look, isSettled } = setUp();
  const gone = watch.wait(new Map([[0, 0]]));
  const staying = watch.wait(new Map([[0, 0]]));
  gone.leave();
  hear(0, 1);
  expect(await isSettled(staying.reached)).toBe(true);
  expect(await isSettled(gone.reached)).toBe(false);
  staying.leave();
  at.set(0, 7);
  await look();
  await look();
  expect(state.looks).toBe(0);
});

test('a look at the store finds what nobody told of, and one loop looks for all', async () => {
  const { watch, at, pauses, state, listeners, look, isSettled } = setUp();
  const waits = [watch.wait(new Map([[0, 0]])), watch.wait(new Map([[1, 4]]))];
  expect([pauses.length, listeners.length]).toEqual([1, 1]);
  await look();
  expect([state.looks, await isSettled(waits[0]!.reached)]).toEqual([1, false]);
  at.set(0, 1).set(1, 5);
  const change = watch.change();
  await look();
  expect(await isSettled(Promise.all([change, ...waits.map(({ reached }) => reached)]))).toBe(true);
});

test('a store that is away is looked at again; a bug is told to all who wait', async () => {
  const { watch, at, state, look, isSettled } = setUp();
  const { reached } = watch.wait(new Map([[0, 0]]));
  state.error = new UnavailableError('store_unavailable', 'away');
  await look();
  expect(await isSettled(reached)).toBe(false);
  state.error = null;
  at.set(0, 1);
  await look();
  expect(await isSettled(reached)).toBe(true);

  const other = watch.wait(new Map([[3, 0]]));
  const change = watch.change();
  state.error = new TypeError('x is not a function');
  await look();
  await expect(other.reached).rejects.toThrow('x is not a function');
  await expect(change).rejects.toThrow('x is not a function');
});
