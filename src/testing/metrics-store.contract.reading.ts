import { describe, expect, it } from 'vitest';
import { addTo, bucketOf, type Histogram, quantile } from '../domain/histogram.ts';
import { createRollupBuilder, rollupSteps, stepStart } from '../domain/rollup.ts';
import {
  type MetricsReading,
  type MetricsSnapshot,
  type MetricsStore,
  type MetricsWindow,
  metricsWindows,
  type RecentEvent,
} from '../metrics-store/metrics-store.ts';
import { eventOf } from './event-store.batches.ts';
import type { MetricsStoreHarness } from './metrics-store.contract.harness.ts';
import { createRandom, type Random } from './random.ts';

/** One record, as a plain count sees it. */
interface Happened {
  readonly partition: number;
  readonly outcome: 'stored' | 'duplicate' | 'failed';
  readonly eventType: string;
  readonly receivedAt: number;
  /** Null where it was a redrive, which is left out. */
  readonly latencyMs: number | null;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;
const startAt = Date.UTC(2026, 5, 1, 12, 34, 56);
const windows = Object.keys(metricsWindows) as MetricsWindow[];

export function readingCases(makeHarness: (now: () => number) => Promise<MetricsStoreHarness>): void {
  describe('reading', () => {
    it('tells what a plain count of all that happened tells, after updates as after a rebuild', async () => {
      const seed = Date.now() % 1_000_000;
      const random = createRandom(seed);
      const clock = { now: startAt };
      const [updated, rebuilt] = [await makeHarness(() => clock.now), await makeHarness(() => clock.now)];
      const happened: Happened[] = [];
      for (const partition of [0, 1, 2]) await updated.store.rebuild(snapshotOf([], partition, 0, clock.now), null);
      for (let round = 0; round < 25; round++) {
        clock.now += random.pick([3_000, 25_000, 7 * minuteMs, 3 * hourMs]);
        const batch = happenings(random, clock.now);
        happened.push(...batch);
        await applyAll(updated.store, batch, round);
        for (const partition of [0, 1, 2]) {
          const snapshot = snapshotOf(happened, partition, round, clock.now);
          await rebuilt.store.rebuild(snapshot, await rebuilt.store.watermark(partition));
        }
        for (const window of windows) {
          const expected = countPlainly(happened, window, clock.now);
          const told = `seed ${seed}, round ${round}, ${window}`;
          expect(await updated.store.read(window, clock.now), `${told}, updated`).toEqual(expected);
          expect(await rebuilt.store.read(window, clock.now), `${told}, rebuilt`).toEqual(expected);
        }
        const partition = random.below(3);
        const own = happened.filter((one) => one.partition === partition);
        const alone = Object.fromEntries(windows.map((window) => [window, countPlainly(own, window, clock.now)]));
        for (const [store, watermark] of [
          [updated.store, mark(round + 1)],
          [rebuilt.store, mark(round)],
        ] as const) {
          const read = await store.readPartition(partition, clock.now);
          expect(read, `seed ${seed}, round ${round}, partition ${partition}`).toEqual({ watermark, windows: alone });
        }
        if (random.below(4) === 0) await rebuildOne(updated.store, happened, random.below(3), round, clock.now);
      }
      await updated.close();
      await rebuilt.close();
    });

    it('knows nothing of a partition before its first rebuild', async () => {
      const { store, close } = await makeHarness(() => startAt);
      await store.rebuild(snapshotOf([], 0, 0, startAt), null);
      expect(await store.readPartition(1, startAt)).toBeNull();
      const empty = { watermark: mark(0), windows: { '5m': { total: 0 }, '7d': { total: 0 } } };
      expect(await store.readPartition(0, startAt)).toMatchObject(empty);
      await close();
    });

    it('ranks types by their count, and those of one count by their name', async () => {
      const { store, close } = await makeHarness(() => startAt);
      await store.rebuild(snapshotOf([], 0, 0, startAt), null);
      const types = ['b', 'c', 'a', 'c', 'd', 'd', 'd'];
      const batch = types.map((eventType): Happened => {
        return { partition: 0, outcome: 'stored', eventType, receivedAt: startAt, latencyMs: 5 };
      });
      await applyAll(store, [...batch, { ...batch[0]!, outcome: 'failed', eventType: 'z' }], 0);
      const { byType, allTime } = await store.read('5m', startAt);
      expect(byType.map(({ eventType, count }) => `${eventType}${count}`)).toEqual(['d3', 'c2', 'a1', 'b1']);
      expect(allTime.byType).toEqual(byType);
      await close();
    });

    it('shows the newest events of all partitions, as many as are asked for and not without end', async () => {
      const { store, close } = await makeHarness(() => startAt);
      for (const partition of [0, 1]) await store.rebuild(snapshotOf([], partition, 0, startAt), null);
      expect(await store.recent(10)).toEqual([]);
      const ages: number[] = [];
      for (let round = 0; round < 30; round++) {
        for (const partition of [0, 1]) {
          const recent = Array.from({ length: 5 }, (_, n) =>
            recentOf(partition, startAt - ((round * 37 + n * 11) % 400)),
          );
          ages.push(...recent.map(({ receivedAt }) => startAt - receivedAt));
          await store.apply({ ...updateOf(partition, round), delta: { counts: [], latencies: [] }, recent });
        }
      }
      const shown = await store.recent(20);
      expect(shown.map(({ receivedAt }) => startAt - receivedAt)).toEqual(ages.sort((a, b) => a - b).slice(0, 20));
      expect((await store.recent(1_000)).length).toBeLessThan(ages.length);
      await close();
    });

    it('tells subscribers of an update with its events, and of a rebuild', async () => {
      const { store, close } = await makeHarness(() => startAt);
      const changes: unknown[] = [];
      store.subscribe((change) => changes.push(change));
      const snapshot = snapshotOf([], 0, 0, startAt);
      await store.rebuild(snapshot, null);
      const recent = [recentOf(0, startAt)];
      const update = { ...updateOf(0, 0), delta: { counts: [], latencies: [] }, recent };
      await store.apply(update);
      await store.apply(update);
      await expect
        .poll(() => changes)
        .toEqual([
          { partition: 0, watermark: snapshot.watermark, recent: [] },
          { partition: 0, watermark: update.watermark, recent },
        ]);
      await close();
    });

    it('is refused after close', async () => {
      const { store, close } = await makeHarness(() => startAt);
      await close();
      await expect(store.read('5m', startAt)).rejects.toThrow(/closed/);
      await expect(store.watermark(0)).rejects.toThrow(/closed/);
    });
  });
}

function happenings(random: Random, now: number): Happened[] {
  return Array.from({ length: 1 + random.below(30) }, () => ({
    partition: random.below(3),
    outcome: random.pick(['stored', 'stored', 'stored', 'duplicate', 'failed'] as const),
    eventType: random.pick(['a', 'b', 'c', '(other)']),
    // Another producer's clock may be ahead.
    receivedAt:
      now - random.below(random.pick([-3 * hourMs, 1_000, 2 * minuteMs, 40 * minuteMs, 20 * hourMs, 7 * 24 * hourMs])),
    latencyMs: random.pick([null, -40, 0, random.below(50), random.below(5_000)]),
  }));
}

const mark = (round: number) => ({ logNo: 1, nextOffset: round, commitToken: `t${round}` });
const updateOf = (partition: number, round: number) => {
  return { partition, previousToken: `t${round}`, watermark: mark(round + 1) };
};

async function applyAll(store: MetricsStore, batch: readonly Happened[], round: number): Promise<void> {
  for (const partition of [0, 1, 2]) {
    if ((await store.watermark(partition)) === null) continue;
    const rollups = createRollupBuilder();
    for (const { outcome, eventType, receivedAt, latencyMs } of batch.filter((one) => one.partition === partition)) {
      rollups.count(outcome, receivedAt, eventType);
      if (outcome === 'stored' && latencyMs !== null) rollups.latency(receivedAt, receivedAt + latencyMs);
    }
    const update = { ...updateOf(partition, round), delta: rollups.build(), recent: [] };
    expect(await store.apply(update)).toBe('applied');
  }
}

/** The same partition once more from the store: nothing may change. */
async function rebuildOne(
  store: MetricsStore,
  happened: readonly Happened[],
  partition: number,
  round: number,
  now: number,
) {
  const snapshot = snapshotOf(happened, partition, round + 1, now);
  expect(await store.rebuild(snapshot, await store.watermark(partition))).toBe(true);
}

/** What the event store would answer for this partition. */
function snapshotOf(happened: readonly Happened[], partition: number, round: number, now: number): MetricsSnapshot {
  const own = happened.filter((one) => one.partition === partition);
  const reaches = [
    { stepMs: rollupSteps.fineMs, keptMs: 20 * minuteMs },
    { stepMs: rollupSteps.minuteMs, keptMs: 25 * hourMs },
    { stepMs: rollupSteps.hourMs, keptMs: 8 * 24 * hourMs },
  ];
  const steps = reaches.flatMap(({ stepMs, keptMs }) => {
    const reached = own.filter(({ receivedAt }) => stepStart(receivedAt, stepMs) >= stepStart(now - keptMs, stepMs));
    return [...Map.groupBy(reached, ({ receivedAt }) => stepStart(receivedAt, stepMs))].map(([at, ofStep]) => {
      return { stepMs, at, ofStep };
    });
  });
  return {
    partition,
    watermark: mark(round),
    totals: totalsOf(own),
    counts: steps.flatMap(({ stepMs, at, ofStep }) => totalsOf(ofStep).map((row) => ({ ...row, stepMs, at }))),
    latencies: steps.map(({ stepMs, at, ofStep }) => {
      return { stepMs, at, histogram: [...histogramOf(ofStep)], clockSkewed: skewedOf(ofStep) };
    }),
  };
}

function totalsOf(happened: readonly Happened[]) {
  return [...Map.groupBy(happened, ({ eventType }) => eventType)].map(([eventType, ofType]) => {
    const count = (outcome: Happened['outcome']) => ofType.filter((one) => one.outcome === outcome).length;
    return { eventType, stored: count('stored'), duplicate: count('duplicate'), failed: count('failed') };
  });
}

function measured(happened: readonly Happened[]): number[] {
  return happened.flatMap(({ outcome, latencyMs }) => (outcome === 'stored' && latencyMs !== null ? [latencyMs] : []));
}

function histogramOf(happened: readonly Happened[]): Histogram {
  const histogram: Histogram = new Map();
  for (const latencyMs of measured(happened)) addTo(histogram, bucketOf(latencyMs));
  return histogram;
}

const skewedOf = (happened: readonly Happened[]) => measured(happened).filter((latencyMs) => latencyMs < 0).length;

function quantilesOf(happened: readonly Happened[]) {
  const histogram = histogramOf(happened);
  return { p50: quantile(histogram, 0.5), p95: quantile(histogram, 0.95), p99: quantile(histogram, 0.99) };
}

/** The contract in its plainest form: every number by going through all that happened. */
function countPlainly(happened: readonly Happened[], window: MetricsWindow, now: number): MetricsReading {
  const { lengthMs, stepMs } = metricsWindows[window];
  const to = stepStart(now, stepMs) + stepMs;
  const between = (from: number, until: number) =>
    happened.filter(({ receivedAt }) => receivedAt >= from && receivedAt < until);
  const storedOf = (some: readonly Happened[]) => some.filter(({ outcome }) => outcome === 'stored').length;
  const sums = (some: readonly Happened[]) => {
    const rows = totalsOf(some);
    const byType = rows
      .filter(({ stored }) => stored > 0)
      .map(({ eventType, stored: count }) => ({ eventType, count }));
    return {
      total: storedOf(some),
      duplicates: rows.reduce((sum, { duplicate }) => sum + duplicate, 0),
      failed: rows.reduce((sum, { failed }) => sum + failed, 0),
      byType: byType.sort((a, b) => b.count - a.count || (a.eventType < b.eventType ? -1 : 1)),
    };
  };
  const inWindow = between(to - lengthMs, to);
  const lastWhole = stepStart(now, 10_000) - 10_000;
  return {
    ...sums(inWindow),
    ratePerSecond: storedOf(between(lastWhole, lastWhole + 10_000)) / 10,
    latencyMs: quantilesOf(inWindow),
    stepMs,
    series: Array.from({ length: lengthMs / stepMs }, (_, index) => {
      const at = to - lengthMs + index * stepMs;
      const inStep = between(at, at + stepMs);
      return { at, count: storedOf(inStep), ...quantilesOf(inStep) };
    }),
    allTime: sums(happened),
    clockSkewed: skewedOf(inWindow),
  };
}

function recentOf(partition: number, receivedAt: number): RecentEvent {
  const { redriveOf, ...event } = eventOf({ receivedAt });
  return { ...event, position: { logNo: 1, partition, offset: 0 }, storedAt: receivedAt };
}
