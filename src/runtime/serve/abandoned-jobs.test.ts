import { expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { EventStore } from '../../event-store/event-store.ts';
import { pause } from '../../processing/pause.ts';
import { createTelemetry, type TelemetryEvents } from '../../telemetry/telemetry.ts';
import { claimOf, commitBatch, rejectedOf } from '../../testing/event-store.batches.ts';
import { makeJob } from '../../testing/http-dependencies.ts';
import { temporaryStore } from '../../testing/temporary-store.ts';
import { endAbandonedJobs } from './abandoned-jobs.ts';

const rows = ['store:1:0:0', 'store:1:0:1'] as const;

async function setUp(isShared: boolean, wrapped: Partial<Pick<EventStore, 'runningJobs'>> = {}) {
  const store = await temporaryStore();
  await commitBatch(store, await store.claim(claimOf()), [rejectedOf(), rejectedOf()]);
  /** A wall clock that is of no use. */
  const clock = { now: 1_000_000, elapsed: 0, pauses: 0, beforeLook: async () => undefined as unknown };
  const ended: TelemetryEvents['jobs.ended'][] = [];
  const unended: TelemetryEvents['jobs.unended'][] = [];
  const telemetry = createTelemetry();
  telemetry.on('jobs.unended', (payload) => unended.push(payload));
  telemetry.on('jobs.ended', (payload) => ended.push(payload));
  const start = (isOwn: (id: string) => boolean = () => false) => {
    const jobs = endAbandonedJobs({
      store: { ...store, ...wrapped },
      telemetry,
      now: () => clock.now,
      elapsed: () => clock.elapsed,
      isShared,
      isOwn,
      async pause(ms, signal) {
        await pause(1, signal);
        await clock.beforeLook();
        clock.now -= ms;
        clock.elapsed += ms;
        clock.pauses += 1;
      },
    });
    onTestFinished(() => jobs.stop());
    return jobs;
  };
  const begin = (row: 0 | 1, id: string) => store.claimForRedrive([rows[row]], makeJob({ id }));
  const stateOf = async (id: string) => (await store.job(id))?.state;
  return { store, clock, ended, unended, begin, start, stateOf };
}

it('ends all jobs of a store that one process has to itself, once, before it serves; but for its own', async () => {
  const { store, begin, start, stateOf, ended } = await setUp(false);
  await begin(0, 'old');
  await begin(1, 'own');
  await start((id) => id === 'own').first;
  expect([await stateOf('old'), await stateOf('own')]).toEqual(['failed', 'running']);
  expect(ended).toEqual([{ count: 1 }]);
  expect(await store.claimForRedrive(rows, makeJob({ id: 'next' }))).toEqual([rows[0]]);
});

it('leaves jobs to the other processes as long as they save them, whatever their clocks say', async () => {
  const { store, begin, start, stateOf, clock } = await setUp(true);
  await begin(0, 'lost');
  await begin(1, 'going');
  let saves = 0;
  let isAlive = true;
  clock.beforeLook = async () => {
    saves += 1;
    return isAlive && store.saveJob(makeJob({ id: 'going', updatedAt: 9_999_999 - saves }));
  };
  await start().first;
  expect(await stateOf('lost')).toBe('running');
  await expect.poll(() => stateOf('lost')).toBe('failed');
  expect(clock.elapsed).toBeGreaterThanOrEqual(limits.jobAbandonedMs);
  const at = clock.pauses;
  await expect.poll(() => clock.pauses).toBeGreaterThan(at + 5);
  expect(await stateOf('going')).toBe('running');
  // Its process dies now, and what it had claimed is anybody's.
  isAlive = false;
  await expect.poll(() => stateOf('going')).toBe('failed');
  expect(await store.claimForRedrive(rows, makeJob({ id: 'next' }))).toEqual(rows);
});

it.each([
  ['is away', new UnavailableError('store_unavailable', 'away'), 'away'],
  ['has a bug', new TypeError('x is not a function'), 'TypeError: x is not a function'],
])('tells that the store %s, and tries again, without holding anything up', async (_what, failure, error) => {
  let isFailing = true;
  const { store, begin, start, stateOf, unended } = await setUp(false, {
    async runningJobs() {
      if (isFailing) throw failure;
      return store.runningJobs();
    },
  });
  await begin(0, 'old');
  await start().first;
  expect(await stateOf('old')).toBe('running');
  expect(unended[0]).toEqual({ error: expect.stringContaining(error) });
  isFailing = false;
  await expect.poll(() => stateOf('old')).toBe('failed');
});

it('does not take a time in which nobody could reach the store for the silence of a process', async () => {
  let looks = 0;
  const { store, begin, start, stateOf, clock } = await setUp(true, {
    async runningJobs() {
      looks += 1;
      if (looks > 1 && looks < 10) throw new UnavailableError('store_unavailable', 'away');
      return store.runningJobs();
    },
  });
  await begin(0, 'waiting');
  clock.beforeLook = async () => looks >= 10 && store.saveJob(makeJob({ id: 'waiting', updatedAt: looks }));
  start();
  await expect.poll(() => looks).toBeGreaterThanOrEqual(11);
  expect(await stateOf('waiting')).toBe('running');
});
