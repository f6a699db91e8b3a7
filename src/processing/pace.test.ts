import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createPace } from './pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('ticks for all who wait at one time, counted from the first', async () => {
  const pace = createPace(40);
  const ticked: string[] = [];
  const wait = (name: string) => void pace.tick().then(() => ticked.push(name));
  wait('first');
  await vi.advanceTimersByTimeAsync(39);
  wait('second');
  expect(ticked).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(ticked).toEqual(['first', 'second']);

  wait('next');
  await vi.advanceTimersByTimeAsync(39);
  expect(ticked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(1);
  expect(ticked).toHaveLength(3);
});

it('keeps no timer while nobody waits', async () => {
  const pace = createPace(40);
  void pace.tick();
  await vi.advanceTimersByTimeAsync(40);
  expect(vi.getTimerCount()).toBe(0);
});
