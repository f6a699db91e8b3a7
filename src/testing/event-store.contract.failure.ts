import { describe, expect, it } from 'vitest';
import type { EventEnvelope } from '../domain/event.ts';
import { RejectedByStoreError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import type { Decide } from '../event-store/batch.ts';
import { decideBatch } from '../processing/decide-batch.ts';
import { batchOf, claimOf, commitBatch, eventOf, eventsOf, progressOf, startAt } from './event-store.batches.ts';
import { expectClean, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function failureCases(makeHarness: MakeEventStoreHarness): void {
  describe('failing', () => {
    const current = useStore(makeHarness);

    // No store keeps parts of a millisecond, and none an id that is no UUID.
    const refusedValues: [string, Partial<EventEnvelope>][] = [
      ['a time', { receivedAt: startAt + 0.5 }],
      ['an id', { id: 'no UUID' }],
    ];
    it.each(refusedValues)(
      'rolls back all of a batch that holds %s the store refuses, and works on',
      async (_, value) => {
        const { store } = current();
        const progress = await store.claim(claimOf());
        const good = eventsOf(37);
        for (const place of [1, 20, 36]) {
          const refused = store.commit(batchOf(progress, good.toSpliced(place, 1, eventOf(value))), decideBatch);
          await expect(refused).rejects.toBeInstanceOf(RejectedByStoreError);
          expect(await progressOf(store)).toEqual(progress);
          expect(await store.event(good[0]!.id)).toBeNull();
        }
        await store.probe();
        await commitBatch(store, progress, good);
        await expectClean(store);
      },
    );

    it('rolls back when the decision throws', async () => {
      const { store } = current();
      const progress = await store.claim(claimOf());
      const broken: Decide = () => {
        throw new TypeError('broken');
      };
      await expect(store.commit(batchOf(progress, [eventOf({ eventType: 'new' })]), broken)).rejects.toThrow('broken');
      expect(await progressOf(store)).toEqual(progress);
      await commitBatch(store, progress, [eventOf()]);
      await expectClean(store);
    });

    it('asks again when an id turns out to be taken, and gives up on a decision that does not listen', async () => {
      const { store } = current();
      const event = eventOf();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [event]);
      const heard: boolean[] = [];
      const deaf: Decide = (request, knowledge) => {
        heard.push(knowledge.events.has(event.id));
        return decideBatch(request, { ...knowledge, events: new Map() });
      };
      const batch = [...eventsOf(20), event, ...eventsOf(20)];
      await expect(store.commit(batchOf(progress, batch), deaf)).rejects.toThrow();
      expect(heard.length).toBeGreaterThan(1);
      expect(heard.every(Boolean)).toBe(true);
      expect(await progressOf(store)).toEqual(progress);
      await expectClean(store);
    });

    it('fails one of the batches that come at a time, and commits the others', async () => {
      const { store } = current();
      const partitions = [0, 1, 2, 3];
      const progress = await Promise.all(partitions.map((partition) => store.claim(claimOf(partition))));
      const shared = eventOf();
      const refused = eventOf({ receivedAt: startAt + 0.5 });
      const broken: Decide = () => {
        throw new TypeError('broken');
      };
      const results = await Promise.allSettled([
        store.commit(batchOf(progress[0]!, [shared, eventOf({ eventType: 'first' })]), decideBatch),
        store.commit(batchOf(progress[1]!, [eventOf({ eventType: 'second' }), refused]), decideBatch),
        store.commit(batchOf(progress[2]!, [shared, eventOf()]), decideBatch),
        store.commit(batchOf(progress[3]!, [eventOf()]), broken),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
      expect(results[1]).toMatchObject({ reason: expect.any(RejectedByStoreError) });
      expect(results[3]).toMatchObject({ reason: { message: 'broken' } });
      const after = await store.progress(storeConsumer);
      expect(after.map(({ nextOffset }) => nextOffset)).toEqual([2, 0, 2, 0]);
      expect(after.reduce((sum, { outcomes }) => sum + outcomes.stored, 0)).toBe(3);
      expect(after.reduce((sum, { outcomes }) => sum + outcomes.duplicate, 0)).toBe(1);
      await expectClean(store);
    });

    it('leaves nothing behind after a probe', async () => {
      const { store } = current();
      await store.probe();
      expect(await store.job('probe')).toBeNull();
      expect(await store.ledger(storeConsumer)).toMatchObject({ partitions: [] });
    });

    it('tells progress that is on stable storage', async () => {
      const { store } = current();
      expect(await store.durableProgress(storeConsumer)).toEqual([]);
      const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(5));
      expect(await store.durableProgress(storeConsumer)).toEqual([progress]);
    });

    it('finds everything again after it was closed', async () => {
      const { store, harness } = current();
      const events = eventsOf(3);
      const { progress } = await commitBatch(store, await store.claim(claimOf()), events);
      await store.close();
      const reopened = await harness.open();
      expect(await progressOf(reopened)).toEqual(progress);
      expect((await reopened.events({ limit: 10 })).items.map(({ id }) => id).sort()).toEqual(
        events.map(({ id }) => id).sort(),
      );
      await commitBatch(reopened, await reopened.claim(claimOf()), eventsOf(1));
      await expectClean(reopened);
    });

    it('refuses calls after close, and may be closed twice', async () => {
      const { store } = current();
      await Promise.all([store.close(), store.close()]);
      await expect(store.progress(storeConsumer)).rejects.toThrow(/closed/);
      await expect(store.claim(claimOf())).rejects.toThrow(/closed/);
    });

    it('lets what runs end before it closes', async () => {
      const { store, harness } = current();
      const progress = await store.claim(claimOf());
      const committed = store.commit(batchOf(progress, eventsOf(50)), decideBatch);
      const closed = store.close();
      expect(await committed).toMatchObject({ kind: 'committed' });
      await closed;
      expect((await progressOf(await harness.open())).outcomes.stored).toBe(50);
    });
  });
}
