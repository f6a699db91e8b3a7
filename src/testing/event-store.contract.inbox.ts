import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import type { Job } from '../event-store/event-store.ts';
import { at, claimOf, commitBatch, eventOf, progressOf, rejectedOf } from './event-store.batches.ts';
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function inboxCases(makeHarness: MakeEventStoreHarness): void {
  describe('inbox', () => {
    const current = useStore(makeHarness);
    const ids = ['store:1:0:0', 'store:1:0:1', 'store:1:0:2'] as const;

    async function failThree() {
      const { store } = current();
      await commitBatch(store, await store.claim(claimOf()), [rejectedOf(), rejectedOf(), rejectedOf()]);
      return store;
    }

    it('marks open rows as redriving under a job, and answers which they were', async () => {
      const store = await failThree();
      expect(await store.markRedriving([ids[0], ids[1], 'store:1:0:99'], 'job-1')).toEqual([ids[0], ids[1]]);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'redriving', jobId: 'job-1' });
      expect(await store.markRedriving(ids, 'job-2')).toEqual([ids[2]]);
      expect(await store.inboxEntry(ids[1])).toMatchObject({ state: 'redriving', jobId: 'job-1' });
      // Both states wait for somebody.
      expect((await store.ledger(storeConsumer)).openInInbox).toBe(3);
    });

    it('opens redriving rows again, and only those', async () => {
      const store = await failThree();
      await store.markRedriving([ids[0]], 'job-1');
      await store.discard([ids[1]], 9);
      await store.reopen(ids);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'open', jobId: null });
      expect(await store.inboxEntry(ids[1])).toMatchObject({ state: 'discarded' });
    });

    it('discards open rows without touching what they count', async () => {
      const store = await failThree();
      const before = await progressOf(store);
      await store.markRedriving([ids[0]], 'job-1');
      expect(await store.discard([ids[0], ids[1]], 1_234)).toEqual([ids[1]]);
      expect(await store.inboxEntry(ids[1])).toMatchObject({
        state: 'discarded',
        resolution: { kind: 'discarded' },
        settledAt: 1_234,
      });
      expect((await store.ledger(storeConsumer)).openInInbox).toBe(2);
      expect(await progressOf(store)).toEqual(before);
      await expectClean(store);
    });

    it('settles a row that is redriving, and one that its job never marked', async () => {
      const store = await failThree();
      await store.markRedriving([ids[0]], 'job-1');
      const events = [eventOf({ redriveOf: ids[0] }), eventOf({ redriveOf: ids[1] })];
      await commitBatch(store, await progressOf(store), events);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'resolved', jobId: 'job-1' });
      expect(await store.inboxEntry(ids[1])).toMatchObject({ state: 'resolved', jobId: null });
      // A job that marks after its record was stored finds nothing open.
      expect(await store.markRedriving([ids[1]], 'job-1')).toEqual([]);
    });

    it('takes many ids at once', async () => {
      const { store } = current();
      const records = Array.from({ length: 1_000 }, () => rejectedOf());
      await commitBatch(store, await store.claim(claimOf()), records);
      const all = records.map((_, offset) => `store:1:0:${offset}`);
      expect(await store.markRedriving(all, 'job-1')).toEqual(all);
    });

    it('keeps jobs', async () => {
      const { store } = current();
      const job: Job = {
        id: 'job-1',
        kind: 'redrive',
        state: 'running',
        total: 3,
        done: 0,
        failed: 0,
        message: null,
        createdAt: 1,
        updatedAt: 1,
      };
      await store.saveJob(job);
      expect(await store.job('job-1')).toEqual(job);
      const done: Job = { ...job, state: 'failed', done: 2, failed: 1, message: 'one was refused', updatedAt: 9 };
      await store.saveJob(done);
      expect(await store.job('job-1')).toEqual(done);
      expect(await store.job('job-2')).toBeNull();
    });

    it('ends the jobs that nobody has saved for long, and no others', async () => {
      const { store } = current();
      const job: Job = {
        id: 'job-1',
        kind: 'redrive',
        state: 'running',
        total: 3,
        done: 1,
        failed: 0,
        message: null,
        createdAt: 1,
        updatedAt: 1,
      };
      const done: Job = { ...job, id: 'job-2', state: 'done', done: 3 };
      const living: Job = { ...job, id: 'job-3', updatedAt: 5 };
      for (const each of [job, done, living]) await store.saveJob(each);
      expect(await store.endJobs('stopped', 7, 5)).toBe(1);
      expect(await store.endJobs('stopped', 8, 5)).toBe(0);
      expect(await store.job('job-1')).toEqual({ ...job, state: 'failed', message: 'stopped', updatedAt: 7 });
      expect(await store.job('job-2')).toEqual(done);
      expect(await store.job('job-3')).toEqual(living);
      // One that was only slow is what it says of itself.
      await store.saveJob({ ...job, done: 2, updatedAt: 9 });
      expect(await store.job('job-1')).toEqual({ ...job, done: 2, updatedAt: 9 });
    });

    it('tells how a record ended, for good', async () => {
      const { store } = current();
      const event = eventOf();
      const changed = { ...event, payloadJson: '{}' };
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [event, event, changed]);
      const records = [2, 0, 1].map((offset) => ({ id: event.id, position: at(offset) }));
      const ended = [{ kind: 'failed', inboxId: ids[2] }, { kind: 'stored' }, { kind: 'duplicate' }];
      expect(await store.outcomesOf(storeConsumer, records)).toEqual(ended);
      expect(await store.outcomesOf(storeConsumer, [])).toEqual([]);

      const redriven = eventOf({ redriveOf: ids[2] });
      await commitBatch(store, progress, [redriven]);
      const later = [...records, { id: redriven.id, position: at(3) }];
      expect(await store.outcomesOf(storeConsumer, later)).toEqual([...ended, { kind: 'stored' }]);
    });
  });
}
