import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { rollupSteps, stepStart } from '../domain/rollup.ts';
import type { MetricsSnapshot, MetricsStore, MetricsUpdate, MetricsWatermark } from '../metrics-store/metrics-store.ts';
import { columnsOf } from './metrics-columns.ts';
import type { MetricsStoreHarness } from './metrics-store.contract.harness.ts';
import { readingCases } from './metrics-store.contract.reading.ts';

const now = Date.UTC(2026, 5, 1, 12, 34, 56);
const fine = stepStart(now, rollupSteps.fineMs);

const mark = (nextOffset: number, commitToken: string): MetricsWatermark => ({ logNo: 1, nextOffset, commitToken });

function snapshot(partition: number, watermark: MetricsWatermark, stored = 0, at = fine): MetricsSnapshot {
  const row = { eventType: 'a', stored, duplicate: 0, failed: 0 };
  return {
    partition,
    watermark,
    totals: stored > 0 ? [row] : [],
    ...columnsOf(stored > 0 ? [{ ...row, stepMs: rollupSteps.fineMs, at }] : []),
    latencies: [],
  };
}

function update(
  partition: number,
  from: MetricsWatermark,
  to: MetricsWatermark,
  stored: number,
  at = fine,
): MetricsUpdate {
  return {
    partition,
    previousToken: from.commitToken,
    watermark: to,
    delta: {
      counts: [{ at, eventType: 'a', stored, duplicate: 1, failed: 2 }],
      latencies: [{ at, histogram: [[10, stored]], clockSkewed: 0 }],
    },
    recent: [],
  };
}

/** Every MetricsStore has to pass this. The harness makes an empty store whose clock stands at `now`. */
export function metricsStoreContract(
  name: string,
  makeHarness: (now: () => number) => Promise<MetricsStoreHarness>,
): void {
  describe(`MetricsStore contract: ${name}`, () => {
    let harness: MetricsStoreHarness;
    let store: MetricsStore;
    const [m0, m1, m2] = [mark(0, 't0'), mark(5, 't1'), mark(9, 't2')];

    beforeEach(async () => {
      harness = await makeHarness(() => now);
      store = harness.store;
    });
    afterEach(() => harness.close());

    it('answers diverged before the first rebuild, and changes nothing', async () => {
      expect(await store.apply(update(0, m0, m1, 5))).toBe('diverged');
      expect(await store.watermark(0)).toBeNull();
      expect((await store.read('5m', now)).total).toBe(0);
    });

    it('applies an update that follows the watermark, once', async () => {
      await store.rebuild(snapshot(0, m0), null);
      expect(await store.apply(update(0, m0, m1, 5))).toBe('applied');
      expect(await store.apply(update(0, m0, m1, 5))).toBe('already_applied');
      const reading = await store.read('5m', now);
      expect(reading).toMatchObject({ total: 5, duplicates: 1, failed: 2 });
      expect(reading.allTime).toMatchObject({ total: 5, duplicates: 1, failed: 2 });
      expect(await store.watermark(0)).toEqual(m1);
    });

    it('answers diverged to an update that leaves one out', async () => {
      await store.rebuild(snapshot(0, m0), null);
      expect(await store.apply(update(0, m1, m2, 4))).toBe('diverged');
      expect((await store.read('5m', now)).total).toBe(0);
    });

    it('replaces a whole partition, and only that one', async () => {
      await store.rebuild(snapshot(0, m0, 7), null);
      await store.rebuild(snapshot(1, m0, 100), null);
      expect(await store.rebuild(snapshot(0, m2, 9), m0)).toBe(true);
      expect((await store.read('1h', now)).total).toBe(109);
      expect((await store.read('1h', now)).allTime.total).toBe(109);
    });

    it('refuses a rebuild that starts from another watermark than the one there', async () => {
      await store.rebuild(snapshot(0, m0, 7), null);
      expect(await store.rebuild(snapshot(0, m2, 9), m1)).toBe(false);
      expect(await store.rebuild(snapshot(0, m2, 9), null)).toBe(false);
      expect(await store.rebuild(snapshot(1, m2, 9), m1)).toBe(false);
      expect((await store.read('1h', now)).total).toBe(7);
    });

    it('goes on from a rebuild', async () => {
      await store.rebuild(snapshot(0, m1, 7), null);
      expect(await store.apply(update(0, m1, m2, 3))).toBe('applied');
      expect((await store.read('24h', now)).total).toBe(10);
    });

    it.each([
      ['5m', 30, 10],
      ['15m', 90, 10],
      ['1h', 60, 60],
      ['6h', 72, 300],
      ['24h', 96, 900],
      ['7d', 168, 3600],
    ] as const)('shows %s as %i steps of %i s that sum to its total', async (window, steps, stepSeconds) => {
      await store.rebuild(snapshot(0, m0), null);
      await store.apply(update(0, m0, m1, 5));
      await store.apply(update(0, m1, m2, 4, fine - 60_000));
      const reading = await store.read(window, now);
      expect(reading.series).toHaveLength(steps);
      expect(reading.stepMs).toBe(stepSeconds * 1000);
      expect(reading.series.reduce((sum, step) => sum + step.count, 0)).toBe(9);
      expect(reading.total).toBe(9);
      expect(reading.byType).toEqual([{ eventType: 'a', count: 9 }]);
      expect(reading.latencyMs.p50).not.toBeNull();
    });

    it('leaves out of a window what was received before it, and keeps it in all time', async () => {
      await store.rebuild(snapshot(0, m0), null);
      await store.apply(update(0, m0, m1, 5, fine - 6 * 60_000));
      expect((await store.read('5m', now)).total).toBe(0);
      expect((await store.read('15m', now)).total).toBe(5);
      expect((await store.read('5m', now)).allTime.total).toBe(5);
    });

    it('answers null quantiles and a rate of 0 where there is nothing', async () => {
      const reading = await store.read('5m', now);
      expect(reading.latencyMs).toEqual({ p50: null, p95: null, p99: null });
      expect(reading.ratePerSecond).toBe(0);
    });

    it('takes the rate from the last whole step', async () => {
      await store.rebuild(snapshot(0, m0), null);
      await store.apply(update(0, m0, m1, 50, fine - 10_000));
      await store.apply(update(0, m1, m2, 1_000, fine));
      expect((await store.read('5m', now)).ratePerSecond).toBe(5);
    });

    it('tells subscribers what changed, until they stop', async () => {
      const changes: number[] = [];
      const stop = store.subscribe((change) => changes.push(change.watermark.nextOffset));
      await store.rebuild(snapshot(0, m0), null);
      await store.apply(update(0, m0, m1, 5));
      await expect.poll(() => changes.at(-1), { timeout: 10_000 }).toBe(5);
      stop();
      await store.apply(update(0, m1, m2, 5));
      await store.read('5m', now);
      expect(changes.at(-1)).toBe(5);
    });

    it('takes an update of another log for one that it does not know', async () => {
      await store.rebuild(snapshot(0, m1, 7), null);
      const elsewhere = { ...m1, logNo: 2 };
      expect(await store.apply(update(0, m0, elsewhere, 5))).toBe('diverged');
      expect(await store.rebuild(snapshot(0, m2), elsewhere)).toBe(false);
      expect((await store.read('5m', now)).total).toBe(7);
    });

    readingCases(makeHarness);
  });
}
