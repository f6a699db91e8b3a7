import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { decideBatch } from '../processing/decide-batch.ts';
import { batchOf, claimOf, commitBatch, eventOf, progressOf } from './event-store.batches.ts';
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function claimCases(makeHarness: MakeEventStoreHarness): void {
  describe('claim', () => {
    const current = useStore(makeHarness);

    it('starts a first claim at the log’s start, and knows nothing before it', async () => {
      const { store } = current();
      expect(await store.progress(storeConsumer)).toEqual([]);
      expect(await store.ledger(storeConsumer)).toEqual({ logNo: 0, logId: null, partitions: [], openInInbox: 0 });

      const progress = await store.claim(claimOf(3, 41));
      expect(progress).toMatchObject({
        partition: 3,
        logNo: 1,
        logId: 'log-a',
        base: 41,
        nextOffset: 41,
        last: null,
        pruned: 0,
      });
      expect(progress.outcomes).toEqual({ stored: 0, duplicate: 0, failed: 0, lost: 0, skipped: 0 });
      expect(await store.progress(storeConsumer)).toEqual([progress]);
      expect(await store.ledger(storeConsumer)).toMatchObject({ logNo: 1, logId: 'log-a', partitions: [progress] });
    });

    it('adds one to the owner epoch with each claim and changes nothing else', async () => {
      const { store } = current();
      const first = await store.claim(claimOf(0, 10));
      const { progress } = await commitBatch(store, first, [eventOf()]);
      const second = await store.claim(claimOf(0, 99));
      expect(second).toEqual({ ...progress, ownerEpoch: first.ownerEpoch + 1 });
    });

    it('gives every partition a token of its own to begin with', async () => {
      const { store } = current();
      const claims = await Promise.all([0, 1, 2].map((partition) => store.claim(claimOf(partition))));
      expect(new Set(claims.map(({ commitToken }) => commitToken)).size).toBe(3);
    });

    it('keeps the former owner from committing', async () => {
      const { store } = current();
      const former = await store.claim(claimOf());
      const owner = await store.claim(claimOf());
      const result = await store.commit(batchOf(former, [eventOf()]), decideBatch);
      expect(result).toEqual({ kind: 'fenced', found: owner });
      expect(await progressOf(store)).toEqual(owner);
    });

    it('does not judge the log: a claim on another log answers the progress that there is', async () => {
      const { store } = current();
      const first = await store.claim(claimOf());
      const other = await store.claim(claimOf(0, 7, 'log-b'));
      expect(other).toEqual({ ...first, ownerEpoch: first.ownerEpoch + 1 });
    });

    it('makes no row from another log’s start', async () => {
      const { store } = current();
      await store.claim(claimOf(0));
      const wrong = await store.claim(claimOf(1, 500, 'log-b'));
      expect(wrong).toMatchObject({ partition: 1, logId: 'log-a' });
      expect(await store.commit(batchOf(wrong, [eventOf()]), decideBatch)).toEqual({ kind: 'fenced', found: null });
      expect(await store.claim(claimOf(1, 20))).toMatchObject({ base: 20, nextOffset: 20 });
    });

    it('keeps consumers apart', async () => {
      const { store } = current();
      await store.claim(claimOf());
      const other = await store.claim({ ...claimOf(), consumer: 'processor:mail', logStart: 5 });
      expect(other).toMatchObject({ consumer: 'processor:mail', base: 5 });
      expect(await store.progress(storeConsumer)).toHaveLength(1);
    });

    it('starts anew on a log that an operator adopted, and keeps the old progress as history', async () => {
      const { store } = current();
      const old = await store.claim(claimOf(0, 10));
      const { progress: before } = await commitBatch(store, old, [eventOf(), eventOf()]);

      expect(await store.adoptLog('log-b', 1)).toBe(2);
      expect(await store.adoptLog('log-b', 2)).toBe(2);
      expect(await store.progress(storeConsumer)).toEqual([]);
      expect(await store.commit(batchOf(before, [eventOf()]), decideBatch)).toMatchObject({ kind: 'fenced' });

      const anew = await store.claim(claimOf(0, 0, 'log-b'));
      expect(anew).toMatchObject({ logNo: 2, logId: 'log-b', base: 0, nextOffset: 0 });
      const { progress: after } = await commitBatch(store, anew, [eventOf()]);
      expect(await store.ledger(storeConsumer)).toMatchObject({
        logNo: 2,
        logId: 'log-b',
        partitions: [before, after],
      });

      // An older copy of a log has its id.
      expect(await store.adoptLog('log-b', 3)).toBe(3);
      expect(await store.claim(claimOf(0, 0, 'log-b'))).toMatchObject({ logNo: 3, base: 0, nextOffset: 0 });
      await expectClean(store);
    });
  });
}
