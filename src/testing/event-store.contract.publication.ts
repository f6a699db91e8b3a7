import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { at, claimOf, commitBatch, eventOf, rejectedOf } from './event-store.batches.ts';
import { type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function publicationCases(makeHarness: MakeEventStoreHarness): void {
  describe('publication of the inbox', () => {
    const current = useStore(makeHarness);
    const wide = { recordsMax: 100, bytesMax: 1_000_000 };

    async function unpublished(partition = 0, bounds = wide): Promise<string[]> {
      const entries = await current().store.unpublished(storeConsumer, partition, bounds);
      return entries.map(({ id }) => id);
    }

    it('answers a partition’s rows in the order of their positions, as numbers', async () => {
      const { store } = current();
      const first = await commitBatch(store, await store.claim(claimOf(0, 8)), [rejectedOf(), rejectedOf()]);
      await commitBatch(store, first.progress, [eventOf(), rejectedOf()]);
      await commitBatch(store, await store.claim(claimOf(1)), [rejectedOf()]);
      expect(await unpublished()).toEqual(['store:1:0:8', 'store:1:0:9', 'store:1:0:11']);
      expect(await unpublished(1)).toEqual(['store:1:1:0']);
      expect(await unpublished(2)).toEqual([]);
      expect(await store.unpublished('another', 0, wide)).toEqual([]);
    });

    it('gives the whole entry, as it is now', async () => {
      const { store } = current();
      const value = Buffer.from([0xff, 0x00, 0x7b]);
      await commitBatch(store, await store.claim(claimOf()), [rejectedOf({ value })]);
      await store.discard(['store:1:0:0'], 5);
      const [entry] = await store.unpublished(storeConsumer, 0, wide);
      expect(entry).toEqual(await store.inboxEntry('store:1:0:0'));
      expect(Buffer.compare(entry!.value, value)).toBe(0);
    });

    it('answers what is past the mark, which another handle may have moved, and which never moves back', async () => {
      const { store, harness } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [
        rejectedOf(),
        rejectedOf(),
        rejectedOf(),
      ]);
      await store.markPublished(storeConsumer, at(1));
      expect(await unpublished()).toEqual(['store:1:0:2']);
      await store.markPublished(storeConsumer, at(0));
      expect(await unpublished()).toEqual(['store:1:0:2']);
      const client = await harness.openClient();
      await client.markPublished(storeConsumer, at(2));
      expect(await unpublished()).toEqual([]);
      await commitBatch(store, progress, [eventOf(), rejectedOf()]);
      expect(await unpublished()).toEqual(['store:1:0:4']);
    });

    it('goes on where it was after the store was closed', async () => {
      const { store, harness } = current();
      await commitBatch(store, await store.claim(claimOf()), [rejectedOf(), rejectedOf()]);
      await store.markPublished(storeConsumer, at(0));
      await store.close();
      const reopened = await harness.open();
      expect((await reopened.unpublished(storeConsumer, 0, wide)).map(({ id }) => id)).toEqual(['store:1:0:1']);
    });

    it('keeps to its bounds, and answers at least one', async () => {
      const { store } = current();
      const value = Buffer.alloc(1_000, 'x');
      const records = Array.from({ length: 5 }, () => rejectedOf({ value }));
      await commitBatch(store, await store.claim(claimOf()), records);
      expect(await unpublished(0, { recordsMax: 2, bytesMax: 1_000_000 })).toHaveLength(2);
      expect(await unpublished(0, { recordsMax: 100, bytesMax: 3_500 })).toHaveLength(3);
      expect(await unpublished(0, { recordsMax: 100, bytesMax: 10 })).toEqual(['store:1:0:0']);
    });

    it('takes what an earlier log has left before what a later one has', async () => {
      const { store } = current();
      await commitBatch(store, await store.claim(claimOf(0, 50)), [rejectedOf(), rejectedOf()]);
      await store.markPublished(storeConsumer, at(50));
      await store.adoptLog('log-b', 1);
      await commitBatch(store, await store.claim(claimOf(0, 3, 'log-b')), [rejectedOf()]);
      expect(await unpublished()).toEqual(['store:1:0:51', 'store:2:0:3']);
      await store.markPublished(storeConsumer, at(3, 0, 2));
      expect(await unpublished()).toEqual([]);
    });
  });
}
