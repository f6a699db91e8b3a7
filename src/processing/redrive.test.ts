import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import type { InboxEntry } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { partitionOf } from '../domain/partitioner.ts';
import { decodeRecord, encodeRecord } from '../domain/record-codec.ts';
import type { RecordToAppend } from '../event-log/event-log.ts';
import type { InboxQuery, Job } from '../event-store/event-store.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { eventOf } from '../testing/event-store.batches.ts';
import { entryOf, failedReceivedAt } from '../testing/failed-entries.ts';
import { createRedrive } from './redrive.ts';

const now = failedReceivedAt + 3_600_000;

function setUp(entries: readonly InboxEntry[], { partitions = 2 } = {}) {
  const journal: string[] = [];
  const appended: RecordToAppend[] = [];
  const marked: string[] = [];
  const jobs: Job[] = [];
  const queries: InboxQuery[] = [];
  const finished: TelemetryEvents['redrive.finished'][] = [];
  const before: Partial<Record<'append' | 'claim' | 'markRedriving' | 'saveJob', () => void | Promise<void>>> = {};
  const gate = { closed: null as UnavailableError | null };
  /** Inbox id → job. */
  const claims = new Map<string, string>();
  const clock = { elapsed: 0, pauses: [] as number[] };
  let ids = 0;
  const telemetry = createTelemetry();
  telemetry.on('redrive.finished', (payload) => finished.push(payload));
  const redrive = createRedrive({
    log: {
      partitions,
      laneOf: (partition) => partition,
      async append(records) {
        await before.append?.();
        journal.push(`append ${records.length}`);
        appended.push(...records);
        return records.map(({ partition }, offset) => ({ partition, offset }));
      },
    },
    store: {
      inboxEntry: async (id) => entries.find((entry) => entry.id === id) ?? null,
      async inboxEntries(query) {
        queries.push(query);
        const from = Number(query.cursor ?? 0);
        const items = entries.slice(from, from + query.limit);
        return { items, nextCursor: from + query.limit < entries.length ? String(from + query.limit) : null };
      },
      claimsOf: async (wanted) => new Map([...claims].filter(([id]) => wanted.includes(id))),
      async claimForRedrive(wanted, job) {
        await before.claim?.();
        const free = wanted.filter((id) => !claims.has(id) && !marked.includes(id));
        for (const id of free) claims.set(id, job.id);
        if (free.length > 0) jobs.push({ ...job, total: free.length });
        return free;
      },
      async markRedriving(wanted, jobId) {
        await before.markRedriving?.();
        journal.push(`mark ${wanted.length} ${jobId}`);
        marked.push(...wanted);
        return wanted;
      },
      async saveJob(job) {
        await before.saveJob?.();
        const last = jobs.findLast(({ id }) => id === job.id);
        if (last?.state !== 'running') return false;
        jobs.push(job);
        for (const [id, jobId] of claims) if (job.state !== 'running' && jobId === job.id) claims.delete(id);
        return true;
      },
    },
    telemetry,
    now: () => now,
    elapsed: () => clock.elapsed,
    assertOpen() {
      if (gate.closed !== null) throw gate.closed;
    },
    random: () => 0.5,
    async pause(ms) {
      clock.pauses.push(ms);
      await nextTurn();
    },
    newId: () => `job-${++ids}`,
  });

  async function run(ids: readonly string[] | 'all', payloadJson?: string, dryRun = false) {
    const select = ids === 'all' ? ({ kind: 'filter', code: 'conflict' } as const) : ({ kind: 'ids', ids } as const);
    const started = await redrive.start({ select, dryRun, payloadJson });
    await redrive.drain();
    return started;
  }

  const events = () =>
    appended.map(({ value }) => {
      const decoded = decodeRecord(value, 0);
      if (!decoded.ok) throw new Error(decoded.rejection.message);
      return decoded.event;
    });
  return { run, redrive, gate, before, claims, clock, journal, appended, events, marked, jobs, queries, finished };
}

describe('a redrive', () => {
  it('appends first and marks then, so that a job which dies in between is only done again', async () => {
    const { run, journal, marked, jobs, finished } = setUp([entryOf(3), entryOf(4)]);
    expect(await run(['store:1:1:3', 'store:1:1:4'])).toMatchObject({ matched: 2, skipped: 0, job: { id: 'job-1' } });
    expect(journal).toEqual(['append 2', 'mark 2 job-1']);
    expect(marked).toEqual(['store:1:1:3', 'store:1:1:4']);
    expect(jobs[0]).toMatchObject({ state: 'running', total: 2, done: 0, failed: 0 });
    expect(jobs.at(-1)).toMatchObject({ state: 'done', total: 2, done: 2, failed: 0, message: null });
    expect(finished).toEqual([{ jobId: 'job-1', redriven: 2, failed: 0 }]);
  });

  it('does the same again when it is started again', async () => {
    const { run, appended, marked } = setUp([entryOf(3)]);
    await run(['store:1:1:3']);
    // As after a job that died before it marked it: the row is open, and nobody has claimed it.
    marked.splice(0);
    await run(['store:1:1:3']);
    expect(Buffer.compare(appended[0]!.value, appended[1]!.value)).toBe(0);
  });

  it('leaves alone what is not there or not open, and what is named twice', async () => {
    const { run, appended } = setUp([
      entryOf(3),
      entryOf(4, { state: 'resolved' }),
      entryOf(5, { state: 'redriving' }),
    ]);
    const ids = ['store:1:1:3', 'store:1:1:3', 'store:1:1:4', 'store:1:1:5', 'store:1:1:99'];
    expect(await run(ids)).toMatchObject({ matched: 1, skipped: 4, taken: 1 });
    expect(appended).toHaveLength(1);
  });

  it('leaves alone what was settled before its turn came, and says how many it sent', async () => {
    const entries = Array.from({ length: 150 }, (_, offset) => entryOf(offset));
    const { run, before, marked, jobs } = setUp(entries);
    before.markRedriving = () => {
      // While the first hundred are on their way somebody discards one of the others.
      entries[120] = { ...entries[120]!, state: 'discarded' };
    };
    expect(await run('all')).toMatchObject({ matched: 150 });
    expect(marked).toHaveLength(149);
    expect(marked).not.toContain('store:1:1:120');
    expect(jobs.at(-1)).toMatchObject({ state: 'done', total: 150, done: 149, failed: 0 });
  });

  it('lets others have their turn between its records', async () => {
    const { run } = setUp(Array.from({ length: 50 }, (_, offset) => entryOf(offset)));
    let turns = 0;
    let isOver = false;
    // Turns of the event loop, not milliseconds: fifty records may take less than one.
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await run('all', undefined, true);
    isOver = true;
    expect(turns).toBeGreaterThanOrEqual(50);
  });

  it('that is tried dry changes nothing', async () => {
    const { run, journal, jobs } = setUp([entryOf(3), entryOf(4, { state: 'discarded' })]);
    const started = await run(['store:1:1:3', 'store:1:1:4'], undefined, true);
    expect(started).toEqual({ job: null, matched: 1, skipped: 1, taken: 0 });
    expect([...journal, ...jobs]).toEqual([]);
  });

  it('of nothing makes no job', async () => {
    const { run, jobs } = setUp([entryOf(3, { state: 'discarded' })]);
    expect(await run(['store:1:1:3'])).toEqual({ job: null, matched: 0, skipped: 1, taken: 0 });
    expect(jobs).toEqual([]);
  });

  it('takes a filter’s pages up to the limit, those that are open', async () => {
    const entries = Array.from({ length: limits.redriveBatchMax + 500 }, (_, offset) => entryOf(offset));
    const { run, appended, queries, journal } = setUp(entries);
    expect(await run('all')).toMatchObject({ matched: limits.redriveBatchMax, skipped: 0 });
    expect(appended).toHaveLength(limits.redriveBatchMax);
    expect(queries[0]).toMatchObject({ state: 'open', code: 'conflict' });
    expect(queries).toHaveLength(limits.redriveBatchMax / limits.listLimitMax);
    const sizes = journal.filter((what) => what.startsWith('append')).map((what) => Number(what.split(' ')[1]));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100);
  });

  it('appends nothing while nothing may be appended: a job is not started, and one that runs leaves its rows open', async () => {
    const { run, gate, before, appended, jobs } = setUp([entryOf(3)]);
    const closed = new UnavailableError('log_replaced', 'another log');
    gate.closed = closed;
    await expect(run(['store:1:1:3'])).rejects.toBe(closed);
    expect(await run(['store:1:1:3'], undefined, true)).toMatchObject({ matched: 1 });
    expect(jobs).toEqual([]);
    gate.closed = null;
    before.claim = () => {
      gate.closed = closed;
    };
    await run(['store:1:1:3']);
    expect(appended).toEqual([]);
    expect(jobs.at(-1)).toMatchObject({ state: 'failed', failed: 1, message: expect.stringContaining('another log') });
  });

  it('goes behind the record that it is made of, or by its key where the log has fewer partitions', async () => {
    const { run, appended } = setUp([entryOf(3)]);
    await run(['store:1:1:3']);
    expect(appended[0]?.partition).toBe(1);
    const far = entryOf(3, { position: { logNo: 1, partition: 9, offset: 3 }, id: 'store:1:9:3' });
    const value = encodeRecord(eventOf({ key: 'k' }));
    const keyed = setUp([{ ...far, value }], { partitions: 4 });
    await keyed.run(['store:1:9:3']);
    expect(keyed.appended[0]?.partition).toBe(partitionOf('k', 4));
  });
});

it('a row that was settled before its turn came is left alone', async () => {
  const entries = [entryOf(3)];
  const { run, before, journal, jobs } = setUp(entries);
  before.claim = () => {
    entries[0] = entryOf(3, { state: 'resolved' });
  };
  await run('all');
  expect(journal).toEqual([]);
  expect(jobs.at(-1)).toMatchObject({ state: 'done', done: 0, failed: 0 });
});

describe('when the log does not take it', () => {
  it('the row is not marked, and the job says so and fails', async () => {
    const { run, before, journal, jobs, finished } = setUp([entryOf(3), entryOf(4)]);
    before.append = () => {
      throw new UnavailableError('log_timeout', 'no answer');
    };
    await run('all');
    expect(journal).toEqual([]);
    expect(jobs.at(-1)).toMatchObject({ state: 'failed', done: 0, failed: 2 });
    expect(jobs.at(-1)?.message).toMatch(/2 were not redriven and are still open: no answer/);
    expect(finished).toEqual([{ jobId: 'job-1', redriven: 0, failed: 2 }]);
  });

  it('for a reason that is a bug, the job fails too, and nothing but the job', async () => {
    const { run, before, jobs } = setUp([entryOf(3)]);
    before.append = () => {
      throw new TypeError('x is not a function');
    };
    await run('all');
    expect(jobs.at(-1)).toMatchObject({ state: 'failed', failed: 1, message: expect.stringContaining('x is not a') });
  });

  it('the other chunks go on', async () => {
    const { run, before, jobs, marked } = setUp(Array.from({ length: 250 }, (_, offset) => entryOf(offset)));
    let calls = 0;
    before.append = () => {
      calls += 1;
      if (calls === 2) throw new UnavailableError('log_timeout', 'no answer');
    };
    await run('all');
    expect(jobs.at(-1)).toMatchObject({ state: 'failed', done: 150, failed: 100 });
    expect(marked).toHaveLength(150);
    expect(marked).not.toContain('store:1:1:100');
  });
});

it('a row that could not be marked was appended all the same, and says which row it settles', async () => {
  const { run, before, jobs, events, marked } = setUp([entryOf(3)]);
  before.markRedriving = () => {
    throw new UnavailableError('store_busy', 'locked');
  };
  await run('all');
  expect(marked).toEqual([]);
  expect(events()).toMatchObject([{ redriveOf: 'store:1:1:3' }]);
  expect(jobs.at(-1)).toMatchObject({ state: 'failed', failed: 1 });
});

describe('a row that several jobs want', () => {
  const three = ['store:1:1:3', 'store:1:1:4', 'store:1:1:5'];

  it('is one job’s: the others leave it out, and say so', async () => {
    const { redrive, appended, jobs } = setUp([entryOf(3), entryOf(4), entryOf(5)]);
    const start = (ids: readonly string[]) => redrive.start({ select: { kind: 'ids', ids }, dryRun: false });
    const started = await Promise.all([start(three.slice(0, 2)), start(three), ...three.map((id) => start([id]))]);
    await redrive.drain();
    expect(appended).toHaveLength(3);
    expect(started.map(({ matched, taken }) => matched + taken)).toEqual([2, 3, 1, 1, 1]);
    const ended = jobs.filter(({ state }) => state === 'done');
    expect(ended).toHaveLength(started.filter(({ job }) => job !== null).length);
    expect(ended.map(({ done }) => done).reduce((sum, done) => sum + done)).toBe(3);
  });

  it('is counted as another’s by a dry run', async () => {
    const { run, claims } = setUp([entryOf(3), entryOf(4)]);
    claims.set('store:1:1:4', 'job-9');
    expect(await run('all', undefined, true)).toEqual({ job: null, matched: 1, skipped: 1, taken: 1 });
  });

  it('is nobody’s where the claim failed', async () => {
    const { run, redrive, before, journal } = setUp([entryOf(3)]);
    before.claim = () => {
      throw new UnavailableError('store_busy', 'locked');
    };
    await expect(run('all')).rejects.toThrow(UnavailableError);
    expect(redrive.isRunning('job-1')).toBe(false);
    expect(journal).toEqual([]);
  });
});

describe('a job and the store', () => {
  it('is not ended by a store that is away for a moment, which holds up no process that stops', async () => {
    const { run, before, marked } = setUp([entryOf(3)]);
    before.saveJob = () => {
      throw new UnavailableError('store_busy', 'locked');
    };
    await run('all');
    expect(marked).toEqual(['store:1:1:3']);
  });

  it('appends nothing that it may have lost while the store was away', async () => {
    const { redrive, before, clock, journal, jobs } = setUp([entryOf(3)]);
    before.claim = () => {
      clock.elapsed += limits.jobHeldMs;
    };
    before.saveJob = () => {
      if (clock.pauses.length < 3) throw new UnavailableError('store_busy', 'locked');
    };
    await redrive.start({ select: { kind: 'filter' }, dryRun: false });
    await vi.waitUntil(() => !redrive.isRunning('job-1'));
    expect(journal).toEqual([]);
    expect(jobs.at(-1)).toMatchObject({
      state: 'failed',
      failed: 1,
      message: expect.stringContaining('does not answer'),
    });
  });

  it('appends nothing after others have ended it: its rows may be theirs', async () => {
    const { run, before, clock, journal, jobs } = setUp([entryOf(3)]);
    before.claim = () => {
      // Frozen for long.
      clock.elapsed += limits.jobAbandonedMs;
    };
    before.saveJob = () => void jobs.push({ ...jobs[0]!, state: 'failed', message: 'ended by others' });
    await run('all');
    expect(journal).toEqual([]);
    expect(jobs.at(-1)?.message).toBe('ended by others');
  });

  it('is said to be over until the store knows, since its claims end with it', async () => {
    const { redrive, before, claims, clock, jobs } = setUp([entryOf(3)]);
    before.saveJob = () => {
      if (clock.pauses.length < 5) throw new UnavailableError('store_busy', 'locked');
    };
    await redrive.start({ select: { kind: 'filter' }, dryRun: false });
    expect(redrive.isRunning('job-1')).toBe(true);
    await vi.waitUntil(() => !redrive.isRunning('job-1'));
    expect(jobs.at(-1)).toMatchObject({ state: 'done', done: 1 });
    expect(claims).toEqual(new Map());
    expect(clock.pauses).toHaveLength(5);
  });
});

it('a job is saved again and again while an append takes long, so that it is not taken for abandoned', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const { run, before, jobs } = setUp([entryOf(3)]);
  const [began, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  before.append = () => {
    began.resolve();
    return answered.promise;
  };
  const running = run('all');
  await began.promise;
  await vi.advanceTimersByTimeAsync(2 * limits.jobSaveEveryMs);
  expect(jobs.map(({ state }) => state)).toEqual(['running', 'running', 'running']);
  answered.resolve();
  await running;
  expect(jobs.at(-1)?.state).toBe('done');
  const saves = jobs.length;
  await vi.advanceTimersByTimeAsync(2 * limits.jobSaveEveryMs);
  expect(jobs).toHaveLength(saves);
});

it('a record that no event can be made of is left out, and counted', async () => {
  const broken = entryOf(4, { code: 'invalid_json', value: Buffer.from('{'), eventType: null, eventId: null });
  const { run, events } = setUp([entryOf(3), broken]);
  expect(await run('all')).toMatchObject({ matched: 1, skipped: 1 });
  expect(events()).toMatchObject([{ redriveOf: 'store:1:1:3' }]);
});
