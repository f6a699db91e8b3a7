import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { AppendedRecord, PartitionProgress, SettledOutcome } from '../event-store/event-store.ts';
import type { MetricsChange } from '../metrics-store/metrics-store.ts';
import { createOutcomeWait } from './outcome-wait.ts';
import { pause } from './pause.ts';
import { createProgressWatch } from './progress-watch.ts';

/** Pauses pass their time at once, and a poll sees thousands of them. */
const longMs = Number.MAX_SAFE_INTEGER;
const never = new AbortController().signal;
const failed: SettledOutcome = { kind: 'failed', inboxId: 'store:1:0:2' };

/**
 * A store whose progress the test moves; a look at it takes one pause, and a pause passes its time. `hear` tells of
 * progress as the metrics store does.
 */
function setUp() {
  const clock = { now: 0 };
  /** Of each wait, what ends its clock. */
  const clocks: AbortSignal[] = [];
  const next = new Map<number, number>();
  const outcomes = new Map<string, SettledOutcome>();
  const asked: AppendedRecord[] = [];
  /** How many records each read was about. */
  const reads: number[] = [];
  const onRead = { call: async () => undefined as unknown };
  const look = { count: 0, error: null as Error | null, outcomeFailures: 0 };
  const listeners: ((change: MetricsChange) => void)[] = [];
  const store = {
    async progress() {
      look.count += 1;
      if (look.error !== null) throw look.error;
      return [...next].map(([partition, nextOffset]) => ({ partition, nextOffset }) as PartitionProgress);
    },
    async outcomesOf(_consumer: string, records: readonly AppendedRecord[]) {
      asked.push(...records);
      reads.push(records.length);
      await onRead.call();
      if (reads.length <= look.outcomeFailures) throw new UnavailableError('store_unavailable', 'away');
      return records.map(({ id, partition, offset }): SettledOutcome | null =>
        offset < (next.get(partition) ?? 0) ? (outcomes.get(id) ?? { kind: 'stored' }) : null,
      );
    },
  };
  const watch = createProgressWatch({
    store,
    metrics: {
      subscribe(listener) {
        listeners.push(listener);
        return () => undefined;
      },
    },
    async pause(ms) {
      await nextTurn();
      clock.now += ms;
    },
  });
  const hear = (partition: number, nextOffset: number) => {
    const watermark = { logNo: 1, nextOffset, commitToken: 'x' };
    for (const listener of listeners) listener({ partition, watermark, recent: [] });
  };
  const wait = createOutcomeWait({
    store,
    watch,
    async pause(ms, signal) {
      clocks.push(signal);
      const until = clock.now + ms;
      while (clock.now < until && !signal.aborted) await nextTurn();
    },
  });
  return { wait, clock, clocks, next, outcomes, asked, reads, onRead, look, hear, listeners };
}

const at = (id: string, offset: number, partition = 0) => ({ id, partition, offset });

it('answers what became of each record, once progress is past it', async () => {
  const { wait, next, outcomes, asked } = setUp();
  outcomes.set('b', { kind: 'duplicate' });
  outcomes.set('c', failed);
  next.set(0, 3);
  expect(await wait([at('a', 0), at('b', 1), at('c', 2)], 1_000, never)).toEqual([
    { kind: 'stored' },
    { kind: 'duplicate' },
    failed,
  ]);
  expect(asked[1]).toEqual({ id: 'b', partition: 0, offset: 1 });
});

it('waits until then: progress at the record is not past it', async () => {
  const { wait, next, asked, look } = setUp();
  next.set(0, 5);
  const waiting = wait([at('a', 5), at('b', 0, 1)], longMs, never);
  await expect.poll(() => look.count).toBeGreaterThan(2);
  expect(asked).toEqual([]);
  next.set(0, 6);
  const looks = look.count;
  await expect.poll(() => look.count).toBeGreaterThan(looks + 1);
  expect(asked).toEqual([]);
  next.set(1, 1);
  expect(await waiting).toEqual([{ kind: 'stored' }, { kind: 'stored' }]);
  expect(asked.map(({ id }) => id)).toEqual(['a', 'b']);
});

it('gives up in time', async () => {
  const { wait, next, clock } = setUp();
  next.set(0, 1);
  expect(await wait([at('a', 0), at('b', 1)], 100, never)).toEqual([null, null]);
  expect(clock.now).toBeGreaterThanOrEqual(100);
  expect(clock.now).toBeLessThan(100 + 2 * limits.progressPollMs);
});

it('stops when whoever asked is gone', async () => {
  const { wait, look } = setUp();
  const gone = new AbortController();
  const waiting = wait([at('a', 0)], longMs, gone.signal);
  await expect.poll(() => look.count).toBeGreaterThan(0);
  gone.abort();
  expect(await waiting).toEqual([null]);
  const looks = look.count;
  expect(await wait([at('b', 0)], longMs, gone.signal)).toEqual([null]);
  expect(look.count).toBe(looks);
});

it('reads many in pieces, and none after whoever asked is gone', async () => {
  const { wait, next, reads, onRead } = setUp();
  const many = Array.from({ length: 3 * limits.outcomesReadMax }, (_, n) => at(`e${n}`, n));
  next.set(0, many.length);
  expect(await wait(many, 1_000, never)).toEqual(many.map(() => ({ kind: 'stored' })));
  expect(reads.splice(0)).toEqual([1, 2, 3].map(() => limits.outcomesReadMax));

  const gone = new AbortController();
  onRead.call = async () => gone.abort();
  await wait(many, longMs, gone.signal);
  expect(reads).toHaveLength(1);
});

it('reads no further once the time is over', async () => {
  const { wait, next, clock, reads, onRead } = setUp();
  next.set(0, 2 * limits.outcomesReadMax);
  onRead.call = async () => {
    clock.now += 1_000;
    // As a store's answer does, it comes in a later turn.
    for (let turn = 0; turn < 2; turn += 1) await nextTurn();
  };
  await wait(
    Array.from({ length: 2 * limits.outcomesReadMax }, (_, n) => at(`e${n}`, n)),
    500,
    never,
  );
  expect(reads).toHaveLength(1);
});

it('shares looks: a thousand who wait ask no more often than one', async () => {
  const { wait, next, look } = setUp();
  const waiting = Array.from({ length: 1_000 }, (_, n) => wait([at(`e${n}`, 0)], longMs, never));
  await expect.poll(() => look.count).toBeGreaterThan(2);
  const looks = look.count;
  next.set(0, 1);
  expect(await Promise.all(waiting)).toHaveLength(1_000);
  expect(look.count).toBeLessThanOrEqual(looks + 2);
});

it('hears of progress without a look', async () => {
  const { wait, next, look, hear, listeners } = setUp();
  const waits = ['a', 'b'].map((id) => wait([at(id, 0)], longMs, never));
  next.set(0, 1);
  hear(0, 1);
  expect(await Promise.all(waits)).toEqual([[{ kind: 'stored' }], [{ kind: 'stored' }]]);
  expect(look.count).toBe(0);
  expect(listeners).toHaveLength(1);
});

it('answers at once what it has heard of before it was asked', async () => {
  const { wait, next, look, hear } = setUp();
  next.set(0, 1);
  await wait([at('a', 0)], 1_000, never);
  const looks = look.count;
  next.set(0, 9);
  hear(0, 9);
  expect(await wait([at('b', 8)], 1_000, never)).toEqual([{ kind: 'stored' }]);
  expect(look.count).toBe(looks);
});

it('does not believe what it hears: the store has to be past the record', async () => {
  const { wait, next, reads, hear } = setUp();
  const waiting = wait([at('a', 5)], longMs, never);
  hear(0, 1_000);
  await expect.poll(() => reads.length).toBeGreaterThan(0);
  next.set(0, 6);
  expect(await waiting).toEqual([{ kind: 'stored' }]);
});

it('reads together what several ask for at the same news', async () => {
  const { wait, next, reads, hear, outcomes } = setUp();
  outcomes.set('e7', failed);
  const waits = Array.from({ length: 20 }, (_, n) => wait([at(`e${n}`, n)], longMs, never));
  next.set(0, 20);
  hear(0, 20);
  const found = (await Promise.all(waits)).map(([outcome]) => outcome);
  expect(found).toEqual(found.map((_, n) => (n === 7 ? failed : { kind: 'stored' })));
  expect(reads).toEqual([20]);
});

it('asks for no more at a time than the store takes, however many ask together', async () => {
  const { wait, next, reads, hear } = setUp();
  const many = (from: number) => Array.from({ length: 400 }, (_, n) => at(`e${from + n}`, from + n));
  const waits = [wait(many(0), longMs, never), wait(many(400), longMs, never)];
  next.set(0, 800);
  hear(0, 800);
  expect((await Promise.all(waits)).flat()).toEqual(Array(800).fill({ kind: 'stored' }));
  expect(reads).toEqual([limits.outcomesReadMax, 800 - limits.outcomesReadMax]);
});

it('leaves no clock running for who has been answered', async () => {
  const { wait, next, clocks } = setUp();
  next.set(0, 1);
  await wait([at('a', 0)], longMs, never);
  expect(clocks.map(({ aborted }) => aborted)).toEqual([true]);
});

it('looks no further once nobody waits', async () => {
  const { wait, next, look } = setUp();
  next.set(0, 1);
  await wait([at('a', 0)], 1_000, never);
  const looks = look.count;
  for (let turn = 0; turn < 20; turn += 1) await nextTurn();
  expect(look.count).toBe(looks);
});

it('waits on while the store is away', async () => {
  const { wait, next, look } = setUp();
  next.set(0, 1);
  look.error = new UnavailableError('store_busy', 'locked');
  const waiting = wait([at('a', 0)], longMs, never);
  await expect.poll(() => look.count).toBeGreaterThan(2);
  look.error = null;
  expect(await waiting).toEqual([{ kind: 'stored' }]);
});

it('does not hide a bug, nor does it stick', async () => {
  const { wait, next, look } = setUp();
  next.set(0, 1);
  look.error = new TypeError('x is not a function');
  await expect(wait([at('a', 0)], 1_000, never)).rejects.toThrow(TypeError);
  look.error = null;
  expect(await wait([at('a', 0)], 1_000, never)).toEqual([{ kind: 'stored' }]);
});

it('has nothing to wait for where nothing was appended', async () => {
  const { wait, look } = setUp();
  expect(await wait([], 1_000, never)).toEqual([]);
  expect(look.count).toBe(0);
});

it('asks again where the store is away just when progress is past the record', async () => {
  const { wait, next, look, asked } = setUp();
  next.set(0, 1);
  look.outcomeFailures = 2;
  expect(await wait([at('a', 0)], longMs, never)).toEqual([{ kind: 'stored' }]);
  expect(asked).toHaveLength(3);
});

describe('a silent store', () => {
  /** One that never answers, and a clock that is the machine's. */
  function setUpSilent(heardOf: boolean) {
    const silent = () => new Promise<never>(() => undefined);
    const watch = createProgressWatch({
      store: { progress: silent },
      metrics: {
        subscribe(listener) {
          const watermark = { logNo: 1, nextOffset: 1, commitToken: 'x' };
          if (heardOf) listener({ partition: 0, watermark, recent: [] });
          return () => undefined;
        },
      },
      pause,
    });
    return createOutcomeWait({ store: { outcomesOf: silent }, watch, pause });
  }

  it.each([
    ['when it is asked how far it is', false],
    ['when it is asked what became of records', true],
  ])('is not waited for longer than was asked for, %s', async (_when, heardOf) => {
    expect(await setUpSilent(heardOf)([at('a', 0)], 30, never)).toEqual([null]);
  });

  it('does not keep who stops, or has gone', async () => {
    const gone = new AbortController();
    const waiting = setUpSilent(true)([at('a', 0)], 600_000, gone.signal);
    gone.abort();
    expect(await waiting).toEqual([null]);
  });
});
