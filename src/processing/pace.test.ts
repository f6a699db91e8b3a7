import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPace } from './pace.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function setUp() {
  const pace = createPace(2, { restMinMs: 5, restMaxMs: 40 });
  const ticked: string[] = [];
  const wait = (name: string) => void pace.tick().then(() => ticked.push(name));
  return { pace, ticked, wait };
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('lets who comes while nobody rests go on at once', async () => {
  const { ticked, wait } = setUp();
  wait('first');
  wait('second');
  await pass(0);
  expect(ticked).toEqual(['first', 'second']);
});

describe('a rest', () => {
  it('holds up whoever comes, for as long as the work of the batch that began it has it', async () => {
    const { pace, ticked, wait } = setUp();
    pace.rest(10);
    await pass(4);
    wait('early');
    await pass(15);
    wait('late');
    expect(ticked).toEqual([]);
    await pass(1);
    expect(ticked).toEqual(['early', 'late']);
  });

  it('is not made longer by batches that end within it', async () => {
    const { pace, ticked, wait } = setUp();
    pace.rest(10);
    await pass(19);
    pace.rest(10);
    wait('waits');
    await pass(1);
    expect(ticked).toEqual(['waits']);
  });

  it('that is over holds up nobody', async () => {
    const { pace, ticked, wait } = setUp();
    pace.rest(10);
    await pass(20);
    wait('lone');
    await pass(0);
    expect(ticked).toEqual(['lone']);
  });

  it.each([
    ['no sooner than a few milliseconds after a batch that took next to none', 0.1, 5],
    ['no later than batches get better by, however long one took', 10_000, 40],
  ])('ends %s', async (_name, workedMs, restMs) => {
    const { pace, ticked, wait } = setUp();
    pace.rest(workedMs);
    wait('waits');
    await pass(restMs - 1);
    expect(ticked).toEqual([]);
    await pass(1);
    expect(ticked).toEqual(['waits']);
  });
});

it('keeps no timer while nobody waits', async () => {
  const { pace, wait } = setUp();
  pace.rest(20);
  expect(vi.getTimerCount()).toBe(0);
  wait('waits');
  await pass(40);
  expect(vi.getTimerCount()).toBe(0);
});
