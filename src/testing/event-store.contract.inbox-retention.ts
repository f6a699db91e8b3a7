import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { at, claimOf, commitBatch, eventOf, maintenanceOf, progressOf, rejectedOf } from './event-store.batches.ts';
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';
import { jobOf, markAll } from './event-store.contract.jobs.ts';

export function inboxRetentionCases(makeHarness: MakeEventStoreHarness): void {
  describe('retention of the inbox', () => {
    const current = useStore(makeHarness);
    const ids = ['store:1:0:0', 'store:1:0:1', 'store:1:0:2', 'store:1:0:3'] as const;
    const [settledEarly, settledLate, open, redriving] = ids;

    /** Two that were discarded, at 10 and at 20, one that is open and one that is redriving. */
    async function failFour() {
      const { store } = current();
      await commitBatch(
        store,
        await store.claim(claimOf()),
        ids.map(() => rejectedOf()),
      );
      await store.discard([settledEarly], 10);
      await store.discard([settledLate], 20);
      await markAll(store, [redriving]);
      return store;
    }

    it('prunes what was settled before, and counts it; what is open stays', async () => {
      const store = await failFour();
      const before = await progressOf(store);
      const request = maintenanceOf(before, { pruneBefore: 20 });
      expect(await store.maintain(request)).toMatchObject({ kind: 'committed', prunedFailed: 1, more: false });
      expect(await store.inboxEntry(settledEarly)).toBeNull();
      for (const id of [settledLate, open, redriving]) expect(await store.inboxEntry(id)).not.toBeNull();
      expect(await progressOf(store)).toEqual({ ...before, commitToken: request.token });
      expect((await store.ledger(storeConsumer)).openInInbox).toBe(2);
      await expectClean(store);

      const later = maintenanceOf(await progressOf(store), { pruneBefore: 1_000_000 });
      expect(await store.maintain(later)).toMatchObject({ prunedFailed: 1 });
      expect((await store.inboxEntries({ limit: 10 })).items.map(({ id }) => id).toSorted()).toEqual([open, redriving]);
      await expectClean(store);
      expect(await store.maintain(maintenanceOf(await progressOf(store), { pruneBefore: 1_000_000 }))).toEqual({
        kind: 'idle',
      });
    });

    it('prunes what a redrive has resolved, whatever became of it, and keeps what it failed as again', async () => {
      const { store } = current();
      const again = { ...rejectedOf(), redriveOf: settledEarly };
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [rejectedOf(), again]);
      expect(await store.inboxEntry(settledEarly)).toMatchObject({ state: 'resolved' });
      await store.maintain(maintenanceOf(progress, { pruneBefore: Number.MAX_SAFE_INTEGER }));
      expect(await store.inboxEntry(settledEarly)).toBeNull();
      expect(await store.inboxEntry(settledLate)).toMatchObject({ state: 'open', attempt: 2 });
      // Redriven once more, by a job that knew it: nothing is left to settle, and everything counts.
      await commitBatch(store, await progressOf(store), [eventOf({ redriveOf: settledEarly })]);
      await expectClean(store);
    });

    it('keeps all where rows are kept for ever, and those of other partitions', async () => {
      const store = await failFour();
      const elsewhere = await store.claim(claimOf(1));
      for (const request of [
        maintenanceOf(await progressOf(store)),
        maintenanceOf(elsewhere, { pruneBefore: 1_000_000 }),
      ]) {
        expect(await store.maintain(request)).toEqual({ kind: 'idle' });
      }
    });

    it('keeps what is still to be published, where it is', async () => {
      const store = await failFour();
      const prune = async () =>
        store.maintain(maintenanceOf(await progressOf(store), { pruneBefore: 1_000, publishedOnly: true }));
      expect(await prune()).toEqual({ kind: 'idle' });
      await store.markPublished(storeConsumer, at(0));
      expect(await prune()).toMatchObject({ prunedFailed: 1 });
      expect(await store.inboxEntry(settledLate)).not.toBeNull();
      await store.markPublished(storeConsumer, at(3));
      expect(await prune()).toMatchObject({ prunedFailed: 1 });
      await expectClean(store);
    });

    it('takes a bounded number of rows a call, of any log, and says when there are more', async () => {
      const { store } = current();
      const count = limits.pruneFailedMax + 10;
      const records = (n: number) => Array.from({ length: n }, () => rejectedOf());
      await commitBatch(store, await store.claim(claimOf()), records(5));
      await store.adoptLog('log-b', 1);
      await commitBatch(store, await store.claim(claimOf(0, 0, 'log-b')), records(count - 5));
      const all = [...Array(5).keys()].map((offset) => `store:1:0:${offset}`);
      all.push(...[...Array(count - 5).keys()].map((offset) => `store:2:0:${offset}`));
      await store.discard(all, 10);
      const prune = async () => store.maintain(maintenanceOf(await progressOf(store), { pruneBefore: 11 }));
      expect(await prune()).toMatchObject({ prunedFailed: limits.pruneFailedMax, more: true });
      await expectClean(store);
      expect(await prune()).toMatchObject({ prunedFailed: 10, more: false });
      await expectClean(store);
      expect((await store.inboxEntries({ limit: 10 })).items).toEqual([]);
    });

    it('is found out by verification where it was not its own doing', async () => {
      const store = await failFour();
      await store.maintain(maintenanceOf(await progressOf(store), { pruneBefore: 11 }));
      await current().harness.execute('UPDATE inbox_pruned SET rows = 2');
      expect((await store.verify(storeConsumer)).map(({ code }) => code)).toContain('inbox_differs');
    });
  });

  describe('retention of jobs', () => {
    const current = useStore(makeHarness);

    it('prunes those that ended before, and none that runs', async () => {
      const { store } = current();
      const ids = ['store:1:0:0', 'store:1:0:1', 'store:1:0:2'] as const;
      await commitBatch(
        store,
        await store.claim(claimOf()),
        ids.map(() => rejectedOf()),
      );
      for (const [n, id] of ids.entries()) await store.claimForRedrive([id], jobOf({ id: `job-${n}` }));
      await store.saveJob(jobOf({ id: 'job-0', state: 'done', updatedAt: 10 }));
      await store.saveJob(jobOf({ id: 'job-1', state: 'failed', updatedAt: 20 }));
      const prune = async (jobsEndedBefore: number | null) =>
        store.maintain(maintenanceOf(await progressOf(store), { jobsEndedBefore }));
      expect(await prune(null)).toEqual({ kind: 'idle' });
      expect(await prune(20)).toMatchObject({ kind: 'committed', prunedFailed: 0, more: false });
      expect(await store.job('job-0')).toBeNull();
      expect(await store.job('job-1')).not.toBeNull();
      await prune(1_000_000);
      expect(await store.job('job-1')).toBeNull();
      expect(await store.job('job-2')).toMatchObject({ state: 'running' });
      expect(await prune(1_000_000)).toEqual({ kind: 'idle' });
    });
  });
}
