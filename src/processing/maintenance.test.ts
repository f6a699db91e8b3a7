import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import { rollupSteps } from '../domain/rollup.ts';
import type { MaintenanceRequest, MaintenanceResult, PartitionProgress } from '../event-store/event-store.ts';
import type { MetricsUpdate, MetricsWatermark } from '../metrics-store/metrics-store.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { createMaintenance, type MaintenanceOptions } from './maintenance.ts';

const startAt = Date.UTC(2026, 0, 5, 8);
const never = new AbortController().signal;

const progressOf = (partition = 0): PartitionProgress => ({
  consumer: 'store',
  logNo: 2,
  partition,
  logId: 'log-a',
  base: 0,
  nextOffset: 7,
  last: null,
  ownerEpoch: 3,
  commitToken: 'before',
  outcomes: { stored: 7, duplicate: 0, failed: 0, lost: 0, skipped: 0 },
  pruned: 0,
});

function setUp(options: Partial<MaintenanceOptions> = {}) {
  /** The wall clock, and how far it has been set from the one that only grows. */
  const clock = { now: startAt, set: 0 };
  const requests: MaintenanceRequest[] = [];
  const pushed: MetricsUpdate[] = [];
  const checked: number[] = [];
  const rebuilt: (MetricsWatermark & { readonly partition: number; readonly reason: string })[] = [];
  const done: TelemetryEvents['maintenance.done'][] = [];
  const answers: (MaintenanceResult | Error)[] = [];
  const telemetry = createTelemetry();
  telemetry.on('maintenance.done', (payload) => done.push(payload));
  let tokens = 0;
  const maintenance = createMaintenance({
    store: {
      async maintain(request) {
        requests.push(request);
        const answer = answers.shift() ?? { kind: 'idle' };
        if (answer instanceof Error) throw answer;
        return answer;
      },
    },
    feed: {
      push: (update) => pushed.push(update),
      check: (partition) => checked.push(partition),
      rebuildTo: (partition, watermark, reason) => rebuilt.push({ partition, ...watermark, reason }),
    },
    telemetry,
    now: () => clock.now + clock.set,
    elapsed: () => clock.now - startAt,
    retentionNow: async () => clock.now,
    freshToken: () => `token ${tokens++}`,
    retentionMs: null,
    publishesFailures: false,
    oldestUnreadAt: async () => null,
    everyMs: 10_000,
    ...options,
  });
  const run = (progress = progressOf(), signal = never) => maintenance.run(progress, signal);
  return { run, clock, answers, requests, pushed, checked, rebuilt, done };
}

const committed = (more = false): MaintenanceResult => ({
  kind: 'committed',
  alreadyCommitted: false,
  prunedRows: 4,
  prunedFailed: 1,
  foldedRows: 2,
  more,
});

describe('maintenance', () => {
  it('is due at once and then every so often, for each partition by itself', async () => {
    const { run, clock, requests } = setUp();
    await run(progressOf(0));
    await run(progressOf(1));
    await run(progressOf(0));
    clock.now += 9_999;
    await run(progressOf(0));
    expect(requests.map(({ partition }) => partition)).toEqual([0, 1]);
    clock.now += 1;
    await run(progressOf(0));
    await run(progressOf(1));
    expect(requests.map(({ partition }) => partition)).toEqual([0, 1, 0, 1]);
  });

  it('is done with the guard of the progress it is given, under a token of its own', async () => {
    const { run, requests } = setUp();
    await run();
    expect(requests[0]).toMatchObject({
      ...{ consumer: 'store', logNo: 2, partition: 0, ownerEpoch: 3 },
      ...{ expectedOffset: 7, previousToken: 'before', token: 'token 0', now: startAt },
    });
  });

  it('that did something answers its token, and moves the metrics along', async () => {
    const { run, answers, pushed, done } = setUp();
    answers.push(committed());
    expect(await run()).toEqual({ commitToken: 'token 0' });
    expect(pushed).toEqual([
      {
        partition: 0,
        previousToken: 'before',
        watermark: { logNo: 2, nextOffset: 7, commitToken: 'token 0' },
        delta: { counts: [], latencies: [] },
        recent: [],
      },
    ]);
    expect(done).toEqual([{ partition: 0, prunedRows: 4, prunedFailed: 1, foldedRows: 2 }]);
  });

  it('that had nothing to do leaves the token, and tells nobody', async () => {
    const { run, pushed, done } = setUp();
    expect(await run()).toEqual({ commitToken: 'before' });
    expect([...pushed, ...done]).toEqual([]);
  });

  it('that left something goes on after the next batch, and then rests', async () => {
    const { run, answers, requests } = setUp();
    answers.push(committed(true), committed(false));
    await run();
    await run();
    await run();
    expect(requests).toHaveLength(2);
  });

  it('answers fenced as it is', async () => {
    const { run, answers, pushed } = setUp();
    answers.push({ kind: 'fenced', found: null });
    expect(await run()).toBe('fenced');
    expect(pushed).toEqual([]);
  });

  it('whose fate is not known wants the partition claimed anew', async () => {
    const { run, answers, clock } = setUp();
    answers.push(new UnavailableError('store_busy', 'locked'));
    expect(await run()).toBe('reopen');
    // Claimed anew, it does not hammer a store that is away.
    expect(await run()).toEqual({ commitToken: 'before' });
    clock.now += 10_000;
    expect(await run()).toEqual({ commitToken: 'before' });
  });

  it('throws what is a bug', async () => {
    const { run, answers } = setUp();
    answers.push(new TypeError('x is not a function'));
    await expect(run()).rejects.toThrow(TypeError);
  });

  it('is left out while stopping', async () => {
    const { run, requests } = setUp();
    expect(await run(progressOf(), AbortSignal.abort())).toEqual({ commitToken: 'before' });
    expect(requests).toEqual([]);
  });
});

describe('retention', () => {
  it('prunes nothing where rows are kept for ever', async () => {
    const { run, requests } = setUp();
    await run();
    expect(requests[0]?.pruneBefore).toBeNull();
  });

  it('goes by the oldest record that is still to be read, not by the clock', async () => {
    const unreadAt = startAt - 3_600_000;
    const { run, requests } = setUp({ retentionMs: 86_400_000, oldestUnreadAt: async () => unreadAt });
    await run();
    expect(requests[0]?.pruneBefore).toBe(unreadAt - 86_400_000);
  });

  it('does not go by a record from the future, as there are where the clock was ahead', async () => {
    const { run, requests, clock } = setUp({ retentionMs: 86_400_000, oldestUnreadAt: async () => startAt + 1e10 });
    await run();
    expect(requests[0]?.pruneBefore).toBe(clock.now - 86_400_000);
  });

  it('and folding go by a clock of their own', async () => {
    const { run, requests, clock } = setUp({ retentionMs: 86_400_000 });
    clock.set = 365 * 86_400_000;
    await run();
    expect(requests[0]).toMatchObject({ now: startAt, pruneBefore: startAt - 86_400_000 });
    expect(requests[0]!.foldMinutesBefore).toBeLessThan(startAt);
  });

  it('takes settled failed events once they are published, where they are, and for one partition ended jobs', async () => {
    const { run, requests } = setUp({ retentionMs: 86_400_000, publishesFailures: true });
    await run(progressOf(0));
    await run(progressOf(1));
    expect(requests).toMatchObject([
      { publishedOnly: true, jobsEndedBefore: startAt - limits.jobKeptMs },
      { publishedOnly: true, jobsEndedBefore: null },
    ]);
  });

  it('waits where that is not known', async () => {
    const { run, requests } = setUp({
      retentionMs: 86_400_000,
      oldestUnreadAt: async () => {
        throw new UnavailableError('log_unavailable', 'away');
      },
    });
    expect(await run()).toBe('reopen');
    expect(requests).toEqual([]);
  });
});

it('folds what no window needs in short steps any more, in whole longer steps', async () => {
  const { run, clock, requests } = setUp();
  clock.now = startAt + 12_345_678;
  await run();
  const { foldFineBefore, foldMinutesBefore } = requests[0]!;
  expect(foldFineBefore % rollupSteps.minuteMs).toBe(0);
  expect(foldMinutesBefore % rollupSteps.hourMs).toBe(0);
  const fineAgeMs = clock.now - foldFineBefore - limits.rollupFineKeptMs;
  const minuteAgeMs = clock.now - foldMinutesBefore - limits.rollupMinuteKeptMs;
  expect(fineAgeMs).toBeGreaterThanOrEqual(0);
  expect(fineAgeMs).toBeLessThan(rollupSteps.minuteMs);
  expect(minuteAgeMs).toBeGreaterThanOrEqual(0);
  expect(minuteAgeMs).toBeLessThan(rollupSteps.hourMs);
});

it('has the metrics compared with the store every few seconds, also when nothing is due', async () => {
  const { run, clock, checked } = setUp({ everyMs: 3_600_000 });
  await run(progressOf(0));
  await run(progressOf(1));
  await run(progressOf(0));
  expect(checked).toEqual([0, 1]);
  clock.now += limits.metricsCheckEveryMs;
  await run(progressOf(0));
  expect(checked).toEqual([0, 1, 0]);
});

describe('a wall clock that is set back', () => {
  it('holds up neither maintenance nor the look at the metrics', async () => {
    const { run, clock, requests, checked } = setUp();
    await run();
    clock.set = -3_600_000;
    clock.now += 10_000;
    await run();
    await run();
    expect(requests).toHaveLength(2);
    clock.now += limits.metricsCheckEveryMs;
    await run();
    expect(checked).toEqual([0, 0]);
  });

  it('has the metrics made anew, once: they may have forgotten steps that windows show again', async () => {
    const { run, clock, rebuilt } = setUp();
    clock.set = 7_200_000;
    await run();
    clock.set = 3_600_000;
    clock.now += limits.metricsCheckEveryMs;
    await run();
    expect(rebuilt).toEqual([
      { partition: 0, logNo: 2, nextOffset: 7, commitToken: 'before', reason: 'clock_set_back' },
    ]);
    clock.now += limits.metricsCheckEveryMs;
    await run();
    expect(rebuilt).toHaveLength(1);
  });

  it('has them made anew however short it was ahead', async () => {
    const { run, clock, rebuilt } = setUp();
    await run();
    clock.set = 7_200_000;
    await run();
    clock.set = 0;
    clock.now += limits.metricsCheckEveryMs;
    await run();
    expect(rebuilt).toHaveLength(1);
  });

  it('by little, as clocks are kept right, changes nothing', async () => {
    const { run, clock, rebuilt } = setUp();
    await run();
    clock.set = -limits.clockBackMaxMs;
    clock.now += limits.metricsCheckEveryMs;
    await run();
    expect(rebuilt).toEqual([]);
  });

  it('little by little is the same as at once', async () => {
    const { run, clock, rebuilt } = setUp();
    await run();
    for (const set of [-40_000, -80_000]) {
      clock.set = set;
      clock.now += limits.metricsCheckEveryMs;
      await run();
    }
    expect(rebuilt).toHaveLength(1);
  });
});
