import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import type { EventStore, Job } from '../event-store/event-store.ts';
import { claimOf, commitBatch, eventOf, progressOf, rejectedOf } from './event-store.batches.ts';
import { type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function jobOf(given: Partial<Job> = {}): Job {
  return {
    id: 'job-1',
    kind: 'redrive',
    state: 'running',
    total: 0,
    done: 0,
    failed: 0,
    message: null,
    createdAt: 1,
    updatedAt: 1,
    ...given,
  };
}

/** As a job does that has appended them. */
export async function markAll(store: EventStore, ids: readonly string[], id = 'job-1'): Promise<void> {
  expect(await store.claimForRedrive(ids, jobOf({ id }))).toEqual(ids);
  expect(await store.markRedriving(ids, id)).toEqual(ids);
}

export function jobCases(makeHarness: MakeEventStoreHarness): void {
  describe('jobs and their claims', () => {
    const current = useStore(makeHarness);
    const ids = ['store:1:0:0', 'store:1:0:1', 'store:1:0:2'] as const;

    async function fail(count: number) {
      const { store } = current();
      const records = Array.from({ length: count }, () => rejectedOf());
      await commitBatch(store, await store.claim(claimOf()), records);
      return store;
    }

    const ended = (id: string) => jobOf({ id, state: 'done', updatedAt: 5 });

    it('claims open rows for one job at a time, and saves the job with them', async () => {
      const store = await fail(3);
      await store.discard([ids[2]], 9);
      expect(await store.claimForRedrive([ids[1], ids[0], ids[2], 'store:1:0:99'], jobOf())).toEqual([ids[1], ids[0]]);
      expect(await store.job('job-1')).toEqual(jobOf({ total: 2 }));
      expect(await store.claimsOf([ids[0], ids[2]])).toEqual(new Map([[ids[0], 'job-1']]));
      expect(await store.claimForRedrive(ids, jobOf({ id: 'job-2' }))).toEqual([]);
      expect(await store.job('job-2')).toBeNull();
      // Nothing was sent yet.
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'open', jobId: null });
      expect((await store.ledger(storeConsumer)).openInInbox).toBe(2);
    });

    it('opens what was redriven again where records of its partition are lost; a record that comes after all settles it', async () => {
      const store = await fail(2);
      const other = await store.claim(claimOf(1));
      await commitBatch(store, other, [rejectedOf()]);
      await markAll(store, [ids[0], ids[1], 'store:1:1:0']);
      await commitBatch(store, await progressOf(store), [eventOf({ redriveOf: ids[1] })], { lost: 3 });
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'open', jobId: null });
      expect(await store.inboxEntry(ids[1])).toMatchObject({ state: 'resolved' });
      expect(await store.inboxEntry('store:1:1:0')).toMatchObject({ state: 'redriving' });
      await commitBatch(store, await progressOf(store), [eventOf({ redriveOf: ids[0] })]);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'resolved' });
    });

    it('skips what was redriven for a row that was discarded, and is not discarded while it is being stored', async () => {
      const store = await fail(2);
      expect(await store.discard([ids[0]], 9)).toEqual([ids[0]]);
      const redriven = eventOf({ redriveOf: ids[0] });
      const { progress } = await commitBatch(store, await progressOf(store), [redriven]);
      expect(progress.outcomes).toMatchObject({ stored: 0, skipped: 1 });
      expect(await store.event(redriven.id)).toBeNull();
      expect(await store.verify(storeConsumer)).toEqual([]);

      const client = await current().harness.openClient();
      const other = eventOf({ redriveOf: ids[1] });
      const [, discarded] = await Promise.all([
        commitBatch(store, progress, [other]),
        client.discard([ids[1]], 10).catch(() => []),
      ]);
      const isStored = (await store.event(other.id)) !== null;
      expect({ isStored, discarded }).toEqual(
        isStored ? { isStored, discarded: [] } : { isStored, discarded: [ids[1]] },
      );
    });

    it('opens what was redriven into a log again where another is adopted', async () => {
      const store = await fail(2);
      await markAll(store, [ids[0]]);
      await store.adoptLog('log-b', 1);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'open', jobId: null });
      await markAll(store, [ids[0]], 'job-2');
    });

    it('gives each row to one of many that want it at once, over every handle', async () => {
      const store = await fail(40);
      const all = Array.from({ length: 40 }, (_, offset) => `store:1:0:${offset}`);
      const client = await current().harness.openClient();
      const [claims, discarded] = await Promise.all([
        Promise.all(
          Array.from({ length: 12 }, (_, n) => {
            const wanted = all.filter((_id, index) => (index + n) % 3 !== 0);
            const handle = n % 2 === 0 ? store : client;
            return handle.claimForRedrive(n % 4 < 2 ? wanted : wanted.toReversed(), jobOf({ id: `job-${n}` }));
          }),
        ),
        Promise.all([store, client].map((handle) => handle.discard(all.slice(0, 20), 9))),
      ]);
      const taken = [...claims, ...discarded].flat();
      expect(taken.toSorted()).toEqual(all.toSorted());
      for (const [n, claimed] of claims.entries()) {
        expect((await store.job(`job-${n}`))?.total ?? 0).toBe(claimed.length);
      }
    });

    it('keeps a claimed row from being discarded', async () => {
      const store = await fail(2);
      await store.claimForRedrive([ids[0]], jobOf());
      expect(await store.discard([ids[0], ids[1]], 9)).toEqual([ids[1]]);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'open' });
    });

    it('marks as redriving what the job has claimed, once, and nothing else', async () => {
      const store = await fail(3);
      await store.claimForRedrive([ids[0], ids[1]], jobOf());
      await store.claimForRedrive([ids[2]], jobOf({ id: 'job-2' }));
      expect(await store.markRedriving([ids[2], ids[0], 'store:1:0:99'], 'job-1')).toEqual([ids[0]]);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'redriving', jobId: 'job-1' });
      expect(await store.markRedriving([ids[0]], 'job-1')).toEqual([]);
      expect(await store.claimsOf(ids)).toEqual(
        new Map([
          [ids[1], 'job-1'],
          [ids[2], 'job-2'],
        ]),
      );
      // Both states wait for somebody.
      expect((await store.ledger(storeConsumer)).openInInbox).toBe(3);
    });

    it('settles a row that is redriving, and one that its job never marked', async () => {
      const store = await fail(2);
      await store.claimForRedrive(ids.slice(0, 2), jobOf());
      await store.markRedriving([ids[0]], 'job-1');
      const events = [eventOf({ redriveOf: ids[0] }), eventOf({ redriveOf: ids[1] })];
      await commitBatch(store, await progressOf(store), events);
      expect(await store.inboxEntry(ids[0])).toMatchObject({ state: 'resolved', jobId: 'job-1' });
      expect(await store.inboxEntry(ids[1])).toMatchObject({ state: 'resolved', jobId: null });
      // A job that marks after its record was stored finds nothing open, and has nothing claimed any more; but the row
      // is its own.
      expect(await store.markRedriving([ids[1]], 'job-1')).toEqual([]);
      expect(await store.inboxEntry(ids[1])).toMatchObject({ state: 'resolved', jobId: 'job-1' });
      expect(await store.claimsOf(ids)).toEqual(new Map());
    });

    it('takes many ids at once', async () => {
      const store = await fail(1_000);
      await markAll(
        store,
        Array.from({ length: 1_000 }, (_, offset) => `store:1:0:${offset}`),
      );
    });

    it('keeps what a job says of itself while it runs, and its end for good', async () => {
      const store = await fail(1);
      await store.claimForRedrive([ids[0]], jobOf());
      const running = jobOf({ total: 1, done: 1, updatedAt: 3 });
      expect(await store.saveJob(running)).toBe(true);
      expect(await store.job('job-1')).toEqual(running);
      expect(await store.claimsOf([ids[0]])).toEqual(new Map([[ids[0], 'job-1']]));
      const failed: Job = { ...running, state: 'failed', failed: 1, message: 'one was refused', updatedAt: 9 };
      expect(await store.saveJob(failed)).toBe(true);
      expect(await store.saveJob({ ...running, updatedAt: 10 })).toBe(false);
      expect(await store.job('job-1')).toEqual(failed);
      expect(await store.job('job-2')).toBeNull();
      expect(await store.saveJob(jobOf({ id: 'job-2' }))).toBe(false);
    });

    it('lets a row go when its job ends, to whoever wants it next', async () => {
      const store = await fail(2);
      await store.claimForRedrive([ids[0], ids[1]], jobOf());
      await store.saveJob(ended('job-1'));
      expect(await store.claimsOf(ids)).toEqual(new Map());
      expect(await store.claimForRedrive([ids[0]], jobOf({ id: 'job-2' }))).toEqual([ids[0]]);
      expect(await store.discard([ids[1]], 9)).toEqual([ids[1]]);
    });

    it('ends jobs that were not saved since they were read, and no others; their rows are free', async () => {
      const store = await fail(3);
      for (const [index, id] of ids.entries()) await store.claimForRedrive([id], jobOf({ id: `job-${index}` }));
      await store.saveJob(ended('job-0'));
      const running = await store.runningJobs();
      expect(running).toEqual([jobOf({ id: 'job-1', total: 1 }), jobOf({ id: 'job-2', total: 1 })]);
      await store.saveJob(jobOf({ id: 'job-2', updatedAt: 2 }));
      expect(await store.endJobs([...running, ended('job-0')], 'stopped', 7)).toBe(1);
      expect(await store.endJobs(running, 'stopped', 8)).toBe(0);
      expect(await store.job('job-1')).toEqual(
        jobOf({ id: 'job-1', total: 1, state: 'failed', message: 'stopped', updatedAt: 7 }),
      );
      expect(await store.claimsOf(ids)).toEqual(new Map([[ids[2], 'job-2']]));
      // One that was only slow learns of it, and marks nothing that may be another's by now.
      expect(await store.saveJob(jobOf({ id: 'job-1', done: 1, updatedAt: 9 }))).toBe(false);
      await store.claimForRedrive([ids[1]], jobOf({ id: 'job-3' }));
      expect(await store.markRedriving([ids[1]], 'job-1')).toEqual([]);
    });
  });
}
