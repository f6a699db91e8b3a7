import { expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { noProgressOn } from '../event-store/no-progress.ts';
import { batchOf, eventsOf } from '../testing/event-store.batches.ts';
import { decideBatch } from './decide-batch.ts';
import { createRecentSample } from './recent-sample.ts';

const most = limits.liveEventsPerTick;

/** A batch of so many new events from this offset on, and what is written of it. */
function batchFrom(offset: number, count: number) {
  const progress = noProgressOn(1, 'log-a', { consumer: 'store', partition: 0, logStart: offset });
  const nothingKnown = { events: new Map(), countedAs: new Map(), attempts: new Map(), discarded: new Set<string>() };
  const request = batchOf(progress, eventsOf(count));
  return [request, decideBatch(request, nothingKnown)] as const;
}

function setUp() {
  const clock = { now: 1_000_000 };
  const sample = createRecentSample(() => clock.now);
  const take = (offset: number, count: number) =>
    sample(...batchFrom(offset, count)).map(({ position }) => position.offset);
  return { clock, take };
}

it('takes the newest of a batch, newest first', () => {
  const { take } = setUp();
  expect(take(7, 3)).toEqual([9, 8, 7]);
  const { take: takeMany } = setUp();
  expect(takeMany(0, 500)).toEqual(Array.from({ length: most }, (_, index) => 499 - index));
});

it('takes no more in a stretch of time than is shown in it', () => {
  const { clock, take } = setUp();
  expect(take(0, most - 2)).toHaveLength(most - 2);
  expect(take(100, 50)).toEqual([149, 148]);
  expect(take(200, 50)).toEqual([]);
  clock.now += limits.recentEveryMs;
  expect(take(300, 50)).toHaveLength(most);
});
