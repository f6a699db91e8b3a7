import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createPace } from './pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const setUp = () => createPace({ restFactor: 2, restMinMs: 5, restMaxMs: 40 });

it('ticks for all who wait at one time, counted from the first and by its work', async () => {
  const pace = setUp();
  const ticked: string[] = [];
  const wait = (name: string, workedMs: number) => void pace.tick(workedMs).then(() => ticked.push(name));
  wait('first', 10);
  await vi.advanceTimersByTimeAsync(19);
  wait('second', 1);
  expect(ticked).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(ticked).toEqual(['first', 'second']);

  wait('next', 5);
  await vi.advanceTimersByTimeAsync(9);
  expect(ticked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(ticked).toHaveLength(3);
});

it.each([
  ['no sooner than a few milliseconds after a batch that took next to none', 0.1, 5],
  ['no later than batches get better by, however long one took', 10_000, 40],
])('ticks %s', async (_name, workedMs, restMs) => {
  let hasTicked = false;
  void setUp()
    .tick(workedMs)
    .then(() => {
      hasTicked = true;
    });
  await vi.advanceTimersByTimeAsync(restMs - 1);
  expect(hasTicked).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(hasTicked).toBe(true);
});

it('keeps no timer while nobody waits', async () => {
  void setUp().tick(20);
  await vi.advanceTimersByTimeAsync(40);
  expect(vi.getTimerCount()).toBe(0);
});
