import { describe, expect, it } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import { claimOf, commitBatch, eventOf, progressOf, rejectedOf } from './event-store.batches.ts';
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';
import { markAll } from './event-store.contract.jobs.ts';

export function inboxCases(makeHarness: MakeEventStoreHarness): void {
  describe('inbox', () => {
    const current = useStore(makeHarness);
    const ids = ['store:1:0:0', 'store:1:0:1', 'store:1:0:2'] as const;

    async function failThree() {
      const { store } = current();
      await commitBatch(store, await store.claim(claimOf()), [rejectedOf(), rejectedOf(), rejectedOf()]);
      return store;
    }

    it('discards open rows without touching what they count', async () => {
      const store = await failThree();
      const before = await progressOf(store);
      await markAll(store, [ids[0]]);
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

    it('tells how a record ended, for good', async () => {
      const { store } = current();
      const event = eventOf();
      const changed = { ...event, payloadJson: '{}' };
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [event, event, changed]);
      const records = [2, 0, 1].map((offset) => ({ id: event.id, partition: 0, offset }));
      const ended = [{ kind: 'failed', inboxId: ids[2] }, { kind: 'stored' }, { kind: 'duplicate' }];
      expect(await store.outcomesOf(storeConsumer, records)).toEqual(ended);
      expect(await store.outcomesOf(storeConsumer, [])).toEqual([]);

      const redriven = eventOf({ redriveOf: ids[2] });
      const next = { id: redriven.id, partition: 0, offset: 3 };
      expect(await store.outcomesOf(storeConsumer, [...records, next])).toEqual([...ended, null]);
      const elsewhere = { id: event.id, partition: 1, offset: 0 };
      expect(await store.outcomesOf(storeConsumer, [elsewhere])).toEqual([null]);
      // Another log's record, perhaps: never a duplicate of nothing.
      const unknown = { id: eventOf().id, partition: 0, offset: 1 };
      expect(await store.outcomesOf(storeConsumer, [unknown])).toEqual([null]);

      await commitBatch(store, progress, [redriven]);
      expect(await store.outcomesOf(storeConsumer, [...records, next])).toEqual([...ended, { kind: 'stored' }]);

      // Those were records of the log before: on the new one there is nothing yet.
      await store.adoptLog('log-b', 1);
      expect(await store.outcomesOf(storeConsumer, records)).toEqual([null, null, null]);
    });
  });
}
