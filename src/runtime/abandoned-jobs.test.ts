import { expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { pause } from '../processing/pause.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { makeJob } from '../testing/http-dependencies.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { endAbandonedJobs } from './abandoned-jobs.ts';

async function setUp(isShared: boolean, wrapped: Partial<Pick<EventStore, 'endJobs'>> = {}) {
  const store = await temporaryStore();
  const clock = { now: 1_000_000, pauses: 0 };
  const ended: TelemetryEvents['jobs.ended'][] = [];
  const unended: TelemetryEvents['jobs.unended'][] = [];
  const telemetry = createTelemetry();
  telemetry.on('jobs.unended', (payload) => unended.push(payload));
  telemetry.on('jobs.ended', (payload) => ended.push(payload));
  const saved = (id: string, updatedAt: number) => store.saveJob(makeJob({ id, updatedAt }));
  const start = () => {
    const jobs = endAbandonedJobs({
      store: { ...store, ...wrapped },
      telemetry,
      now: () => clock.now,
      isShared,
      async pause(ms, signal) {
        await pause(1, signal);
        clock.now += ms;
        clock.pauses += 1;
      },
    });
    onTestFinished(() => jobs.stop());
    return jobs;
  };
  const stateOf = async (id: string) => (await store.job(id))?.state;
  return { store, clock, ended, unended, saved, start, stateOf };
}

it('ends all jobs of a store that one process has to itself, once, before it serves', async () => {
  const { saved, start, stateOf, ended, clock } = await setUp(false);
  await saved('old', 1);
  await saved('just-now', clock.now);
  await start().first;
  expect([await stateOf('old'), await stateOf('just-now')]).toEqual(['failed', 'failed']);
  expect(ended).toEqual([{ count: 2 }]);
});

it('leaves jobs to the other processes as long as they save them', async () => {
  const { saved, start, stateOf, clock } = await setUp(true);
  await saved('lost', clock.now - limits.jobAbandonedMs - 1);
  await saved('going', clock.now - limits.jobSaveEveryMs);
  await start().first;
  expect([await stateOf('lost'), await stateOf('going')]).toEqual(['failed', 'running']);
  // Its process dies now.
  await expect.poll(() => stateOf('going')).toBe('failed');
});

it.each([
  ['is away', new UnavailableError('store_unavailable', 'away'), 'away'],
  ['has a bug', new TypeError('x is not a function'), 'TypeError: x is not a function'],
])('tells that the store %s, and tries again, without holding anything up', async (_what, failure, error) => {
  let isFailing = true;
  const { store, saved, start, stateOf, unended } = await setUp(false, {
    async endJobs(...given) {
      if (isFailing) throw failure;
      return store.endJobs(...given);
    },
  });
  await saved('old', 1);
  await start().first;
  expect(await stateOf('old')).toBe('running');
  expect(unended[0]).toEqual({ error: expect.stringContaining(error) });
  isFailing = false;
  await expect.poll(() => stateOf('old')).toBe('failed');
});
