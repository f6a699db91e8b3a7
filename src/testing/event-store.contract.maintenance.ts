import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { rollupSteps } from '../domain/rollup.ts';
import type { EventStore, MaintenanceRequest, PartitionProgress } from '../event-store/event-store.ts';
import { isBalanced } from '../processing/ledger.ts';
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
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';
import { storedOf } from './metrics-columns.ts';

const { fineMs, minuteMs, hourMs } = rollupSteps;

export function maintenanceCases(makeHarness: MakeEventStoreHarness): void {
  describe('maintain', () => {
    const current = useStore(makeHarness);

    it('is idle where there is nothing to do, and writes nothing', async () => {
      const { store } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(3));
      const request = maintenanceOf(progress, {
        pruneBefore: startAt,
        foldFineBefore: startAt,
        foldMinutesBefore: startAt + hourMs - 1,
      });
      expect(await store.maintain(request)).toEqual({ kind: 'idle' });
      expect(await progressOf(store)).toEqual(progress);
    });

    it('has the guard of a commit', async () => {
      const { store } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(3));
      const wrong: Partial<MaintenanceRequest>[] = [
        { ownerEpoch: progress.ownerEpoch + 1 },
        { expectedOffset: progress.nextOffset - 1 },
        { previousToken: randomUUID() },
      ];
      for (const overrides of wrong) {
        const request = maintenanceOf(progress, { pruneBefore: startAt + 1, ...overrides });
        expect(await store.maintain(request)).toEqual({ kind: 'fenced', found: progress });
      }
      const request = maintenanceOf(progress, { pruneBefore: startAt + 1 });
      expect(await store.maintain(request)).toMatchObject({
        kind: 'committed',
        alreadyCommitted: false,
        prunedRows: 3,
      });
      // How much it left is not known any more: whoever asks again asks once more.
      expect(await store.maintain(request)).toMatchObject({ kind: 'committed', alreadyCommitted: true, more: true });
      expect(await progressOf(store)).toEqual({ ...progress, commitToken: request.token, pruned: 3 });
    });

    it('prunes what was received before, with its duplicates, and counts it', async () => {
      const { store } = current();
      const [old, young] = [eventOf(), eventOf({ receivedAt: startAt + 1 })];
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [old, young, old, young]);
      const elsewhere = eventOf();
      await commitBatch(store, await store.claim(claimOf(1)), [elsewhere]);

      expect(await store.maintain(maintenanceOf(progress, { pruneBefore: startAt + 1 }))).toMatchObject({
        prunedRows: 1,
        more: false,
      });
      expect(await store.event(old.id)).toBeNull();
      expect(await store.duplicatesOf(old.id)).toEqual([]);
      expect(await store.event(young.id)).not.toBeNull();
      expect(await store.duplicatesOf(young.id)).toHaveLength(1);
      expect(await store.event(elsewhere.id)).not.toBeNull();

      const metrics = await store.partitionMetrics(storeConsumer, 0, startAt + 1_000);
      expect(metrics?.totals).toEqual([{ eventType: 'order.placed', stored: 2, duplicate: 2, failed: 0, pruned: 1 }]);
      expect(await progressOf(store)).toMatchObject({ pruned: 1, outcomes: { stored: 2, duplicate: 2 } });
      await expectClean(store);
    });

    it('prunes the rows of an earlier log, and counts them there', async () => {
      const { store } = current();
      await commitBatch(store, await store.claim(claimOf()), eventsOf(2));
      await store.adoptLog('log-b', 1);
      const { progress } = await commitBatch(store, await store.claim(claimOf(0, 0, 'log-b')), eventsOf(3));
      await store.maintain(maintenanceOf(progress, { pruneBefore: startAt + 1 }));
      const { partitions } = await store.ledger(storeConsumer);
      expect(partitions.map(({ logNo, pruned }) => [logNo, pruned])).toEqual([
        [1, 2],
        [2, 3],
      ]);
      await expectClean(store);
    });

    it('takes a bounded number of rows a call and says when there are more', async () => {
      const { store } = current();
      const events = eventsOf(limits.pruneRowsMax + 10, (index) => ({ receivedAt: startAt - index }));
      const { progress } = await commitBatch(store, await store.claim(claimOf()), events);
      const first = await store.maintain(maintenanceOf(progress, { pruneBefore: startAt + 1 }));
      expect(first).toMatchObject({ prunedRows: limits.pruneRowsMax, more: true });
      const { items: left } = await store.events({ limit: 100 });
      expect(left.map(({ receivedAt }) => startAt - receivedAt)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      await expectClean(store);
      const second = await store.maintain(maintenanceOf(await progressOf(store), { pruneBefore: startAt + 1 }));
      expect(second).toMatchObject({ prunedRows: 10, more: false });
      await expectClean(store);
    });

    it('folds a bounded number of rows a call and says when there are more', async () => {
      const { store } = current();
      const steps = limits.rollupFoldRowsMax / 2 + 100;
      const events = eventsOf(steps * 2, (index) => ({
        receivedAt: startAt + Math.floor(index / 2) * fineMs,
        eventType: index % 2 === 0 ? 'a' : 'b',
      }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const overrides = { foldFineBefore: startAt + 24 * hourMs };
      const first = await store.maintain(maintenanceOf(await progressOf(store), overrides));
      expect(first).toMatchObject({ foldedRows: limits.rollupFoldRowsMax, more: true });
      await expectClean(store);
      const second = await store.maintain(maintenanceOf(await progressOf(store), overrides));
      expect(second).toMatchObject({ foldedRows: 2 * 100 + steps, more: false });
      await expectClean(store);
      expect(await store.maintain(maintenanceOf(await progressOf(store), overrides))).toEqual({ kind: 'idle' });
    });

    it('does all of it or nothing', async () => {
      const { store, harness } = current();
      const events = eventsOf(3);
      const { progress } = await commitBatch(store, await store.claim(claimOf()), events);
      // Rows that no rollup counts, which no pruning can take away.
      await harness.execute("UPDATE rollup_counts SET event_type = 'another'");
      const request = maintenanceOf(progress, { pruneBefore: startAt + 1, foldFineBefore: startAt + hourMs });
      await expect(store.maintain(request)).rejects.toThrow(/counted by no rollup/);
      expect(await progressOf(store)).toEqual(progress);
      for (const { id } of events) expect(await store.event(id)).not.toBeNull();
      const metrics = await store.partitionMetrics(storeConsumer, 0, startAt + fineMs);
      expect(storedOf(metrics!)).toMatchObject([{ stepMs: fineMs, stored: { another: 3 } }]);
    });

    it('folds 10 s into minutes and minutes into hours, whole ones only', async () => {
      const { store } = current();
      const events = eventsOf(720, (index) => ({ receivedAt: startAt + index * fineMs }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const result = await maintainWhole(store, {
        foldFineBefore: startAt + hourMs + 90_000,
        foldMinutesBefore: startAt + hourMs + 30_000,
      });
      // 366 steps of 10 s, counts and latencies; then the first hour's 60 minutes.
      expect(result.foldedRows).toBe(2 * 366 + 2 * 60);
      const metrics = (await store.partitionMetrics(storeConsumer, 0, startAt + 2 * hourMs))!;
      const stored = (stepMs: number) =>
        storedOf(metrics)
          .filter((row) => row.stepMs === stepMs)
          .map((row) => [row.at - startAt, row.stored['order.placed']]);
      // Of the first hour nothing finer is left.
      expect(stored(hourMs)).toEqual([[0, 360]]);
      expect(stored(minuteMs)).toEqual(Array.from({ length: 40 }, (_, minute) => [hourMs + minute * minuteMs, 6]));
      expect(stored(fineMs)).toHaveLength(120);
      await expectClean(store);
    });

    it('keeps the counts of late events that come after their step was folded', async () => {
      const { store } = current();
      await commitBatch(store, await store.claim(claimOf()), eventsOf(10));
      await maintainWhole(store, { foldFineBefore: startAt + minuteMs });
      await commitBatch(store, await progressOf(store), eventsOf(5));
      await maintainWhole(store, { foldFineBefore: startAt + minuteMs, foldMinutesBefore: startAt + hourMs });
      await commitBatch(
        store,
        await progressOf(store),
        eventsOf(3, (index) => ({ receivedAt: startAt + index * fineMs })),
      );
      await maintainWhole(store, { pruneBefore: startAt + 1 });
      await expectClean(store);
      await maintainWhole(store, { pruneBefore: startAt + hourMs });
      expect((await progressOf(store)).pruned).toBe(18);
      await expectClean(store);
    });

    it('balances at every moment under random batches, folds and prunes', async () => {
      const seed = Date.now() % 1_000_000;
      const random = randomFrom(seed);
      const { store } = current();
      const known: string[] = [];
      await store.claim(claimOf());
      await store.claim(claimOf(1));
      for (let round = 0; round < 60; round++) {
        const partition = Math.floor(random() * 2);
        const progress = await progressOf(store, partition);
        if (random() < 0.6) await commitRandomBatch(store, progress, random, known);
        else await store.maintain(maintenanceOf(progress, randomMaintenance(random)));
        expect(await store.verify(storeConsumer), `seed ${seed}, round ${round}`).toEqual([]);
        for (const row of await store.progress(storeConsumer)) expect(isBalanced(row)).toBe(true);
      }
    });
  });
}

/** Calls again as long as there is more. */
async function maintainWhole(store: EventStore, overrides: Partial<MaintenanceRequest>) {
  const sum = { prunedRows: 0, foldedRows: 0 };
  for (;;) {
    const result = await store.maintain(maintenanceOf(await progressOf(store), overrides));
    if (result.kind === 'fenced') throw new Error('fenced');
    if (result.kind === 'idle') return sum;
    sum.prunedRows += result.prunedRows;
    sum.foldedRows += result.foldedRows;
    if (!result.more) return sum;
  }
}

/** A mix of new, repeated, conflicting and broken records over three hours. */
async function commitRandomBatch(
  store: EventStore,
  progress: PartitionProgress,
  random: () => number,
  known: string[],
) {
  const records = Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
    const receivedAt = startAt + Math.floor(random() * 3 * hourMs);
    const eventType = `type-${Math.floor(random() * 3)}`;
    if (random() < 0.1) return rejectedOf({ receivedAt, eventType: random() < 0.5 ? eventType : null });
    if (known.length > 0 && random() < 0.3) {
      const id = known[Math.floor(random() * known.length)]!;
      return eventOf({ id, receivedAt, eventType });
    }
    const event = eventOf({ receivedAt, eventType });
    known.push(event.id);
    return event;
  });
  await commitBatch(store, progress, records, { skipped: random() < 0.2 ? 2 : 0, storedAt: startAt + 3 * hourMs });
}

function randomMaintenance(random: () => number): Partial<MaintenanceRequest> {
  const someTime = () => startAt + Math.floor(random() * 3.5 * hourMs);
  return {
    pruneBefore: random() < 0.5 ? null : startAt + Math.floor(random() ** 2 * 3 * hourMs),
    foldFineBefore: random() < 0.3 ? 0 : someTime(),
    foldMinutesBefore: random() < 0.5 ? 0 : someTime(),
  };
}

/** mulberry32: a failure is run again from its seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
