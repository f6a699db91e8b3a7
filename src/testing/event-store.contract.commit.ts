import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hashContent } from '../domain/content.ts';
import { otherEventType } from '../domain/event.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { BatchKnowledge, CommitRequest, Decide } from '../event-store/batch.ts';
import { decideBatch } from '../processing/decide-batch.ts';
import {
  at,
  batchOf,
  claimOf,
  commitBatch,
  eventOf,
  eventsOf,
  maintenanceOf,
  progressOf,
  rejectedOf,
  startAt,
} from './event-store.batches.ts';
import { expectClean, expectSameJson, type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function commitCases(makeHarness: MakeEventStoreHarness): void {
  describe('commit', () => {
    const current = useStore(makeHarness);

    it('writes rows, progress and outcomes together', async () => {
      const { store } = current();
      const progress = await store.claim(claimOf(2, 100));
      const full = eventOf({
        clientId: 'client-7',
        source: 'shop',
        key: 'käse 🧀',
        occurredAt: '2026-01-15T12:00:00+01:00',
        payloadJson: '{"n":12345678901234567890.123,"tiny":1e-400,"__proto__":1,"t":"\\u0001 \\" ✓ \\ud83e\\uddc0"}',
      });
      const { request } = await commitBatch(store, progress, [full, eventOf(), rejectedOf()], { lost: 3, skipped: 2 });

      const stored = (await store.event(full.id))!;
      expectSameJson(stored.payloadJson, full.payloadJson);
      expect(stored).toEqual({
        ...full,
        payloadJson: stored.payloadJson,
        position: at(105, 2),
        storedAt: request.storedAt,
        contentHash: hashContent(full),
        countedAs: 'order.placed',
      });
      expect(await progressOf(store, 2)).toEqual({
        ...progress,
        nextOffset: 108,
        commitToken: request.token,
        last: { offset: 107, hash: new Uint8Array(32).fill(7) },
        outcomes: { stored: 2, duplicate: 0, failed: 1, lost: 3, skipped: 2 },
      });
      await expectClean(store);
    });

    it('keeps what belongs to a row with that row, however many are written', async () => {
      const { store } = current();
      const everyNth = (number: number, of: number, text: string) => (number % of === 0 ? `${text} ${number}` : null);
      const events = eventsOf(37, (number) => ({
        eventType: `type ${number % 3}`,
        clientId: everyNth(number, 2, 'client'),
        source: everyNth(number, 3, 'shop'),
        key: everyNth(number, 5, 'key'),
        occurredAt: number % 7 === 0 ? `2026-01-15T12:00:${10 + number}Z` : null,
        receivedAt: startAt + number,
        payloadJson: `{"number":${number}}`,
      }));
      await commitBatch(store, await store.claim(claimOf()), events);
      for (const [number, event] of events.entries()) {
        const { eventType: countedAs } = event;
        const expected = { ...event, position: at(number), contentHash: hashContent(event), countedAs };
        const stored = (await store.event(event.id))!;
        expectSameJson(stored.payloadJson, event.payloadJson);
        expect(stored).toMatchObject({ ...expected, payloadJson: stored.payloadJson });
      }
      await expectClean(store);
    });

    it('knows what is stored of a batch, wherever in it that stands', async () => {
      const { store } = current();
      const stored = eventsOf(7);
      const { progress } = await commitBatch(store, await store.claim(claimOf()), stored);
      const [first, middle, changed, twice, last] = stored;
      const records = eventsOf(75);
      const conflict = { ...changed!, payloadJson: '{"amount":2}' };
      for (const [place, event] of [first, middle, conflict, twice, twice].entries()) records[place * 13] = event!;
      records.push(last!);
      const { written } = await commitBatch(store, progress, records);
      expect(written.outcomes).toMatchObject({ stored: 70, duplicate: 5, failed: 1 });
      expect(written.duplicates.map(({ eventId }) => eventId)).toEqual(
        [first, middle, twice, twice, last].map((event) => event!.id),
      );
      expect(written.failed).toMatchObject([{ code: 'conflict', eventId: changed!.id }]);
      await expectClean(store);
    });

    it('keeps the last record where a batch has none', async () => {
      const { store } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [eventOf()]);
      const { progress: after } = await commitBatch(store, progress, [], { skipped: 4 });
      expect(after.last).toEqual(progress.last);
      expect(after.nextOffset).toBe(5);
    });

    it('recognises a commit whose answer was lost, and writes it once', async () => {
      const { store } = current();
      const progress = await store.claim(claimOf());
      const request = batchOf(progress, eventsOf(3));
      expect(await store.commit(request, decideBatch)).toMatchObject({ kind: 'committed', alreadyCommitted: false });
      const again = await store.commit(request, decideBatch);
      expect(again).toEqual({ kind: 'committed', alreadyCommitted: true, written: null });
      expect((await progressOf(store)).outcomes).toMatchObject({ stored: 3, duplicate: 0 });
      await expectClean(store);
    });

    it('does not recognise it under an older epoch', async () => {
      const { store } = current();
      const request = batchOf(await store.claim(claimOf()), eventsOf(1));
      await store.commit(request, decideBatch);
      await store.claim(claimOf());
      expect(await store.commit(request, decideBatch)).toMatchObject({ kind: 'fenced' });
    });

    it('fences whoever finds other values than it left, and writes nothing', async () => {
      const { store } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), eventsOf(2));
      const wrong: Partial<CommitRequest>[] = [
        { ownerEpoch: progress.ownerEpoch - 1 },
        { ownerEpoch: progress.ownerEpoch + 1 },
        { expectedOffset: progress.nextOffset - 1, nextOffset: progress.nextOffset },
        { expectedOffset: progress.nextOffset + 1, nextOffset: progress.nextOffset + 2 },
        { previousToken: randomUUID() },
      ];
      const event = eventOf();
      for (const overrides of wrong) {
        const result = await store.commit(batchOf(progress, [event], overrides), decideBatch);
        expect(result, JSON.stringify(overrides)).toEqual({ kind: 'fenced', found: progress });
      }
      const nobody = batchOf({ ...progress, partition: 9 }, [event]);
      expect(await store.commit(nobody, decideBatch)).toEqual({ kind: 'fenced', found: null });
      expect(await store.event(event.id)).toBeNull();
      expect(await progressOf(store)).toEqual(progress);
    });

    it('shows a reader all of a batch or nothing', async () => {
      const { store, harness } = current();
      const client = await harness.openClient();
      let progress = await store.claim(claimOf());
      for (let batch = 0; batch < 10; batch++) {
        const request = batchOf(progress, eventsOf(20));
        const [, seen] = await Promise.all([store.commit(request, decideBatch), client.ledger(storeConsumer)]);
        expect(seen.partitions[0]!.nextOffset % 20).toBe(0);
        expect(seen.partitions[0]!.outcomes.stored).toBe(seen.partitions[0]!.nextOffset);
        progress = await progressOf(client);
      }
    });

    it('counts a repeat as a duplicate and keeps where it stood', async () => {
      const { store } = current();
      const event = eventOf();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [event, event]);
      const other = await store.claim(claimOf(1, 50));
      await commitBatch(store, other, [{ ...event, receivedAt: startAt + 60_000 }]);

      expect((await progressOf(store)).outcomes).toMatchObject({ stored: 1, duplicate: 1 });
      expect((await progressOf(store, 1)).outcomes).toMatchObject({ stored: 0, duplicate: 1 });
      expect(await store.duplicatesOf(event.id)).toEqual([
        { eventId: event.id, position: at(1), receivedAt: startAt },
        { eventId: event.id, position: at(50, 1), receivedAt: startAt + 60_000 },
      ]);
      const many = Array.from({ length: limits.duplicatesKeptPerEvent + 5 }, () => event);
      await commitBatch(store, progress, many);
      expect(await store.duplicatesOf(event.id)).toHaveLength(limits.duplicatesKeptPerEvent);
      expect((await progressOf(store)).outcomes.duplicate).toBe(1 + many.length);
      await expectClean(store);
    });

    it('stores an id once, whichever partitions race', async () => {
      const { store } = current();
      const claims = await Promise.all([0, 1, 2].map((partition) => store.claim(claimOf(partition))));
      const events = eventsOf(200);
      const shuffled = claims.map((_, n) => [...events.slice(n * 50), ...events.slice(0, n * 50)]);
      const results = await Promise.all(
        claims.map((progress, n) => store.commit(batchOf(progress, shuffled[n]!), decideBatch)),
      );
      expect(results.map(({ kind }) => kind)).toEqual(['committed', 'committed', 'committed']);
      const outcomes = (await store.progress(storeConsumer)).map((row) => row.outcomes);
      expect(outcomes.reduce((sum, { stored }) => sum + stored, 0)).toBe(200);
      expect(outcomes.reduce((sum, { duplicate }) => sum + duplicate, 0)).toBe(400);
      await expectClean(store);
    });

    it('tells the decision what it knows of ids, and content only where the hash differs', async () => {
      const { store } = current();
      const [same, changed, fresh] = eventsOf(3);
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [same!, changed!]);
      const edited = { ...changed!, payloadJson: '{"amount":2}' };
      const seen = await knowledgeOf(store, batchOf(progress, [same!, edited, changed!, fresh!]));

      expect([...seen.events.keys()].sort()).toEqual([same!.id, changed!.id].sort());
      expect(seen.events.get(same!.id)).toEqual({
        id: same!.id,
        position: at(0),
        contentHash: hashContent(same!),
        content: null,
      });
      const known = seen.events.get(changed!.id)!;
      expect(known).toMatchObject({
        position: at(1),
        content: { eventType: 'order.placed', source: null, occurredAt: null },
      });
      expectSameJson(known.content!.payloadJson, changed!.payloadJson);
    });

    it('puts another content under a known id into the inbox, whole', async () => {
      const { store } = current();
      const event = eventOf({ key: 'k' });
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [event]);
      // The same values in other bytes are the same event.
      const respelled = { ...event, payloadJson: '{"amount": 1.5}' };
      const conflicting = { ...event, payloadJson: '{"amount":9}' };
      const { request } = await commitBatch(store, progress, [respelled, conflicting]);

      expect((await progressOf(store)).outcomes).toMatchObject({ stored: 1, duplicate: 1, failed: 1 });
      expect(await store.inboxEntry('store:1:0:2')).toEqual({
        id: 'store:1:0:2',
        consumer: storeConsumer,
        position: at(2),
        state: 'open',
        code: 'conflict',
        message: expect.stringContaining(event.id),
        attempt: 1,
        eventId: event.id,
        eventType: 'order.placed',
        key: 'k',
        value: new Uint8Array(request.candidates[1]!.value),
        receivedAt: startAt,
        failedAt: request.storedAt,
        countedAs: 'order.placed',
        jobId: null,
        resolution: null,
        settledAt: null,
      });
      expectSameJson((await store.event(event.id))!.payloadJson, event.payloadJson);
      await expectClean(store);
    });

    it('takes any bytes as the value of an inbox row', async () => {
      const { store } = current();
      const value = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      await commitBatch(store, await store.claim(claimOf()), [
        rejectedOf({ value }),
        rejectedOf({ value: new Uint8Array() }),
      ]);
      expect((await store.inboxEntry('store:1:0:0'))?.value).toEqual(value);
      expect((await store.inboxEntry('store:1:0:1'))?.value).toEqual(new Uint8Array());
    });

    it('tells the attempt of redriven rows and settles them with the batch', async () => {
      const { store } = current();
      const { progress } = await commitBatch(store, await store.claim(claimOf()), [
        rejectedOf(),
        rejectedOf(),
        rejectedOf(),
      ]);
      const redriven = eventOf({ redriveOf: 'store:1:0:0' });
      const again = rejectedOf({ redriveOf: 'store:1:0:1' });
      const { request } = await commitBatch(store, progress, [redriven, again, eventOf({ redriveOf: 'store:1:0:77' })]);

      const settledAt = request.storedAt;
      expect(await store.inboxEntry('store:1:0:0')).toMatchObject({
        state: 'resolved',
        resolution: { kind: 'stored', eventId: redriven.id },
        settledAt,
      });
      expect(await store.inboxEntry('store:1:0:1')).toMatchObject({
        state: 'resolved',
        resolution: { kind: 'failed_again', inboxId: 'store:1:0:4' },
        settledAt,
      });
      expect(await store.inboxEntry('store:1:0:2')).toMatchObject({ state: 'open', attempt: 1 });
      expect(await store.inboxEntry('store:1:0:4')).toMatchObject({ state: 'open', attempt: 2 });
      expect((await store.ledger(storeConsumer)).openInInbox).toBe(2);

      // What is settled stays as it was settled first.
      const late = eventOf({ redriveOf: 'store:1:0:0' });
      await commitBatch(store, await progressOf(store), [late]);
      expect((await store.inboxEntry('store:1:0:0'))?.resolution).toEqual({ kind: 'stored', eventId: redriven.id });
      await expectClean(store);
    });

    it('refuses a decision that does not account for every record', async () => {
      const { store } = current();
      const progress = await store.claim(claimOf());
      const forgetful: Decide = (request, knowledge) => {
        const write = decideBatch(request, knowledge);
        return { ...write, outcomes: { ...write.outcomes, stored: write.outcomes.stored - 1, skipped: 1 } };
      };
      const event = eventOf();
      await expect(store.commit(batchOf(progress, [event]), forgetful)).rejects.toThrow(/does not add up/);
      expect(await store.event(event.id)).toBeNull();
      expect(await progressOf(store)).toEqual(progress);
    });
  });

  describe('commit past the limit of event types', () => {
    it('counts further types under (other), once and for all partitions', async () => {
      const harness = await makeHarness();
      try {
        const store = await harness.open({ eventTypesMax: 2 });
        const types = ['a', 'b', 'c', 'a', 'd'];
        const { written } = await commitBatch(
          store,
          await store.claim(claimOf(0)),
          types.map((eventType) => eventOf({ eventType })),
        );
        expect(written.countedAsOther).toEqual(new Set(['c', 'd']));
        const second = await store.claim(claimOf(1));
        const events = ['d', 'b', 'e'].map((eventType) => eventOf({ eventType }));
        const { countedAs } = await knowledgeOf(store, batchOf(second, events));
        expect(Object.fromEntries(countedAs)).toEqual({ d: otherEventType, b: 'b', e: otherEventType });

        const page = await store.events({ eventType: 'c', limit: 10 });
        expect(page.items).toMatchObject([{ eventType: 'c', countedAs: otherEventType }]);
        const metrics = await store.partitionMetrics(storeConsumer, 0, startAt + 1_000);
        expect(metrics!.totals.map(({ eventType, stored }) => [eventType, stored]).sort()).toEqual([
          [otherEventType, 2],
          ['a', 2],
          ['b', 1],
        ]);
        await expectClean(store);

        // Pruning finds the rollup row that counted them, and so does a record that is no event.
        const { progress } = await commitBatch(store, await progressOf(store), [
          rejectedOf({ eventType: 'a' }),
          rejectedOf({ eventType: 'x' }),
        ]);
        expect((await store.inboxEntry('store:1:0:5'))?.countedAs).toBe('a');
        expect((await store.inboxEntry('store:1:0:6'))?.countedAs).toBe(otherEventType);
        expect(await store.maintain(maintenanceOf(progress, { pruneBefore: startAt + 1 }))).toMatchObject({
          prunedRows: 5,
        });
        await expectClean(store);
      } finally {
        await harness.dispose();
      }
    });
  });
}

/** What the store would tell a decision about this batch; nothing is written. */
async function knowledgeOf(
  store: { commit(request: CommitRequest, decide: Decide): Promise<unknown> },
  request: CommitRequest,
): Promise<BatchKnowledge> {
  const seen: BatchKnowledge[] = [];
  const stop = new Error('seen enough');
  const look: Decide = (_request, knowledge) => {
    seen.push(knowledge);
    throw stop;
  };
  await expect(store.commit(request, look)).rejects.toBe(stop);
  return seen[0]!;
}
