import { describe, expect, it } from 'vitest';
import { noEventType } from '../domain/event.ts';
import { bucketOf } from '../domain/histogram.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { rollupSteps, stepStart } from '../domain/rollup.ts';
import {
  claimOf,
  commitBatch,
  eventOf,
  eventsOf,
  maintenanceOf,
  progressOf,
  rejectedOf,
  startAt,
} from './event-store.batches.ts';
import { type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';
import { storedOf } from './metrics-columns.ts';

const { fineMs, minuteMs, hourMs } = rollupSteps;

export function metricsCases(makeHarness: MakeEventStoreHarness): void {
  describe('partitionMetrics', () => {
    const current = useStore(makeHarness);

    it('is null before the first claim, and has the watermark from then on', async () => {
      const { store } = current();
      expect(await store.partitionMetrics(storeConsumer, 0, startAt)).toBeNull();
      const progress = await store.claim(claimOf(0, 5));
      expect(await store.partitionMetrics(storeConsumer, 0, startAt)).toEqual({
        partition: 0,
        watermark: { logNo: 1, nextOffset: 5, commitToken: progress.commitToken },
        totals: [],
        types: [],
        counts: [],
        latencies: [],
      });
      expect(await store.partitionMetrics(storeConsumer, 1, startAt)).toBeNull();
    });

    it('tells every count by step and type', async () => {
      const { store } = current();
      const twice = eventOf({ eventType: 'b' });
      const { request } = await commitBatch(store, await store.claim(claimOf()), [
        eventOf({ eventType: 'a' }),
        eventOf({ eventType: 'a', receivedAt: startAt + fineMs }),
        twice,
        { ...twice, receivedAt: startAt + minuteMs },
        rejectedOf(),
      ]);
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt + 2 * minuteMs))!;
      expect(metrics.watermark).toEqual({ logNo: 1, nextOffset: 5, commitToken: request.token });
      expect(metrics.totals.toSorted(byType)).toEqual([
        { eventType: noEventType, stored: 0, duplicate: 0, failed: 1, pruned: 0 },
        { eventType: 'a', stored: 2, duplicate: 0, failed: 0, pruned: 0 },
        { eventType: 'b', stored: 1, duplicate: 1, failed: 0, pruned: 0 },
      ]);
      expect(storedOf(metrics)).toEqual([
        { stepMs: fineMs, at: startAt, stored: { a: 1, b: 1 }, duplicate: 0, failed: 1 },
        { stepMs: fineMs, at: startAt + fineMs, stored: { a: 1 }, duplicate: 0, failed: 0 },
        { stepMs: fineMs, at: startAt + minuteMs, stored: {}, duplicate: 1, failed: 0 },
      ]);
    });

    it('tells each count once, in a step as long as windows need at its age', async () => {
      const { store } = current();
      const ages = [0, minuteMs, 30 * minuteMs, 3 * hourMs, 12 * hourMs, 3 * 24 * hourMs];
      const events = ages.map((ageMs) => eventOf({ receivedAt: startAt - ageMs }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt))!;
      const lengths = [fineMs, fineMs, minuteMs, 5 * minuteMs, 15 * minuteMs, hourMs];
      const expected = lengths.map((stepMs, index) => [stepMs, stepStart(startAt - ages[index]!, stepMs), 1]);
      expect(storedOf(metrics).map(({ stepMs, at, stored }) => [stepMs, at, stored['order.placed']])).toEqual(
        expected.toSorted(([a, x], [b, y]) => a! - b! || x! - y!),
      );
      expect(metrics.latencies.map(({ stepMs, at }) => [stepMs, at])).toEqual(
        metrics.counts.map(({ stepMs, at }) => [stepMs, at]),
      );
    });

    it('merges latencies of batches and steps, and leaves redrives out', async () => {
      const { store } = current();
      const { progress } = await commitBatch(
        store,
        await store.claim(claimOf()),
        [eventOf(), eventOf(), eventOf({ redriveOf: 'store:1:0:9' })],
        { storedAt: startAt + 100 },
      );
      const early = eventOf({ receivedAt: startAt + fineMs + 200 });
      const { progress: next } = await commitBatch(store, progress, [eventOf(), early], { storedAt: startAt + fineMs });
      await commitBatch(store, next, [{ ...early, id: eventOf().id }], { storedAt: startAt + fineMs });
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt + minuteMs))!;
      const [quick, slow, zero] = [bucketOf(100), bucketOf(fineMs), bucketOf(0)];
      const first = [
        [quick, 2],
        [slow, 1],
      ];
      expect(metrics.latencies).toEqual([
        { stepMs: fineMs, at: startAt, histogram: first, clockSkewed: 0 },
        { stepMs: fineMs, at: startAt + fineMs, histogram: [[zero, 2]], clockSkewed: 2 },
      ]);
      const later = (await store.partitionMetrics(storeConsumer, 0, startAt + hourMs))!;
      const both = [[zero, 2], ...first];
      expect(later.latencies).toEqual([{ stepMs: minuteMs, at: startAt, histogram: both, clockSkewed: 2 }]);
    });

    it('answers the same in longer steps after folding', async () => {
      const { store } = current();
      const events = eventsOf(60, (index) => ({ receivedAt: startAt + index * 3_000 }));
      const { progress } = await commitBatch(store, await store.claim(claimOf()), events, {
        storedAt: startAt + hourMs,
      });
      const told = async () => {
        const { watermark: _, ...rest } = (await store.partitionMetrics(storeConsumer, 0, startAt + hourMs))!;
        return rest;
      };
      const before = await told();
      await store.maintain(maintenanceOf(progress, { foldFineBefore: startAt + hourMs }));
      expect(await told()).toEqual(before);
      expect(before.counts.map(({ stepMs }) => stepMs)).toEqual([minuteMs, minuteMs, minuteMs]);
    });

    it('tells what was folded into longer steps than windows need in these', async () => {
      const { store } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(3));
      const folds = { foldFineBefore: startAt + hourMs, foldMinutesBefore: startAt + hourMs };
      await store.maintain(maintenanceOf(progress, folds));
      await commitBatch(store, await progressOf(store), eventsOf(2));
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt + minuteMs))!;
      expect(storedOf(metrics).map(({ stepMs, stored }) => [stepMs, stored['order.placed']])).toEqual([
        [fineMs, 2],
        [hourMs, 3],
      ]);
    });

    it('tells of thousands of types in many steps, in order', async () => {
      const { store } = current();
      const types = 700;
      let progress = await store.claim(claimOf());
      for (let step = 0; step < 40; step += 1) {
        const receivedAt = startAt + step * fineMs;
        const events = eventsOf(types, (index) => ({ receivedAt, eventType: `type ${index}` }));
        ({ progress } = await commitBatch(store, progress, events));
      }
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt + 40 * fineMs))!;
      expect(metrics.types).toEqual(metrics.totals.map(({ eventType }) => eventType));
      expect(metrics.counts.map(({ at }) => at)).toEqual(
        Array.from({ length: 40 }, (_, step) => startAt + step * fineMs),
      );
      for (const { stored } of metrics.counts) expect(stored).toEqual(new Float64Array(types).fill(1));
    });

    it('reaches back as far as a window can, and no further', async () => {
      const { store } = current();
      const ages = [10 * minuteMs, 30 * minuteMs, 24 * hourMs, 7 * 24 * hourMs, 9 * 24 * hourMs];
      const events = ages.map((ageMs) => eventOf({ receivedAt: startAt - ageMs }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt))!;
      expect(metrics.counts.map(({ at }) => Math.ceil((startAt - at) / hourMs))).toEqual([1, 1, 24, 7 * 24]);
      expect(metrics.totals).toMatchObject([{ stored: 5 }]);
      expect((await progressOf(store)).outcomes.stored).toBe(5);
    });
  });
}

const byType = (x: { readonly eventType: string }, y: { readonly eventType: string }) =>
  x.eventType < y.eventType ? -1 : x.eventType > y.eventType ? 1 : 0;
