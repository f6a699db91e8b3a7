import { describe, expect, it } from 'vitest';
import { noEventType } from '../domain/event.ts';
import { bucketOf } from '../domain/histogram.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { rollupSteps } from '../domain/rollup.ts';
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
        counts: [],
        latencies: [],
      });
      expect(await store.partitionMetrics(storeConsumer, 1, startAt)).toBeNull();
    });

    it('tells every count in each of three lengths of step', async () => {
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
      const rows = (stepMs: number) =>
        metrics.counts
          .filter((row) => row.stepMs === stepMs)
          .toSorted((x, y) => x.at - y.at || byType(x, y))
          .map(({ at, eventType, stored, duplicate, failed }) => [at - startAt, eventType, stored, duplicate, failed]);
      expect(rows(fineMs)).toEqual([
        [0, noEventType, 0, 0, 1],
        [0, 'a', 1, 0, 0],
        [0, 'b', 1, 0, 0],
        [fineMs, 'a', 1, 0, 0],
        [minuteMs, 'b', 0, 1, 0],
      ]);
      expect(rows(minuteMs)).toEqual([
        [0, noEventType, 0, 0, 1],
        [0, 'a', 2, 0, 0],
        [0, 'b', 1, 0, 0],
        [minuteMs, 'b', 0, 1, 0],
      ]);
      expect(rows(hourMs)).toEqual([
        [0, noEventType, 0, 0, 1],
        [0, 'a', 2, 0, 0],
        [0, 'b', 1, 1, 0],
      ]);
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
      const both = [[zero, 2], ...first];
      expect(metrics.latencies.toSorted((x, y) => x.stepMs - y.stepMs || x.at - y.at)).toEqual([
        { stepMs: fineMs, at: startAt, histogram: first, clockSkewed: 0 },
        { stepMs: fineMs, at: startAt + fineMs, histogram: [[zero, 2]], clockSkewed: 2 },
        { stepMs: minuteMs, at: startAt, histogram: both, clockSkewed: 2 },
        { stepMs: hourMs, at: startAt, histogram: both, clockSkewed: 2 },
      ]);
    });

    it('answers the same in longer steps after folding', async () => {
      const { store } = current();
      const events = eventsOf(60, (index) => ({ receivedAt: startAt + index * 3_000 }));
      const { progress } = await commitBatch(store, await store.claim(claimOf()), events, {
        storedAt: startAt + hourMs,
      });
      const longer = async () => {
        const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt + hourMs))!;
        const { counts, latencies, totals } = metrics;
        return { counts: counts.filter(isLonger), latencies: latencies.filter(isLonger), totals };
      };
      const before = await longer();
      await store.maintain(maintenanceOf(progress, { foldFineBefore: startAt + hourMs }));
      expect(await longer()).toEqual(before);
    });

    it('reaches back as far as a window can, and no further', async () => {
      const { store } = current();
      const ages = [10 * minuteMs, 30 * minuteMs, 24 * hourMs, 7 * 24 * hourMs, 9 * 24 * hourMs];
      const events = ages.map((ageMs) => eventOf({ receivedAt: startAt - ageMs }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt))!;
      const count = (stepMs: number) => metrics.counts.filter((row) => row.stepMs === stepMs).length;
      // The first two lie in one hour.
      expect([count(fineMs), count(minuteMs), count(hourMs)]).toEqual([1, 3, 3]);
      expect(metrics.totals).toMatchObject([{ stored: 5 }]);
      expect((await progressOf(store)).outcomes.stored).toBe(5);
    });
  });
}

const isLonger = ({ stepMs }: { readonly stepMs: number }) => stepMs !== fineMs;
const byType = (x: { readonly eventType: string }, y: { readonly eventType: string }) =>
  x.eventType < y.eventType ? -1 : x.eventType > y.eventType ? 1 : 0;
