import { describe, expect, it } from 'vitest';
import type { EventQuery, EventStore, InboxQuery, Page } from '../event-store/event-store.ts';
import { claimOf, commitBatch, eventsOf, rejectedOf, startAt } from './event-store.batches.ts';
import { type MakeEventStoreHarness, useStore } from './event-store.contract.harness.ts';

export function pageCases(makeHarness: MakeEventStoreHarness): void {
  describe('pages', () => {
    const current = useStore(makeHarness);

    /** 25 events, five at each of five times. */
    async function storeEvents(): Promise<EventStore> {
      const { store } = current();
      const events = eventsOf(25, (index) => ({
        receivedAt: startAt + (index % 5) * 1_000,
        eventType: index % 2 === 0 ? 'even' : 'odd',
        source: index % 3 === 0 ? 'shop' : null,
      }));
      await commitBatch(store, await store.claim(claimOf()), events.slice(0, 15));
      await commitBatch(store, await store.claim(claimOf(1)), events.slice(15));
      return store;
    }

    it('lists events newest first, each once, whatever the size of the pages', async () => {
      const store = await storeEvents();
      const all = await readAll((cursor) => store.events({ limit: 1_000, cursor }));
      expect(all).toHaveLength(25);
      expect(all.map(({ receivedAt }) => receivedAt)).toEqual(
        all.map(({ receivedAt }) => receivedAt).sort((a, b) => b - a),
      );
      for (const limit of [1, 2, 5, 24, 25]) {
        const pages = await readAll((cursor) => store.events({ limit, cursor }));
        expect(pages.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
      }
    });

    it('goes on where a page ended, though newer events came meanwhile', async () => {
      const store = await storeEvents();
      const first = await store.events({ limit: 10 });
      await commitBatch(
        store,
        await store.claim(claimOf(2)),
        eventsOf(3, () => ({ receivedAt: startAt + 9_000 })),
      );
      const rest = await readAll((cursor) => store.events({ limit: 10, cursor }), first.nextCursor!);
      expect(new Set([...first.items, ...rest].map(({ id }) => id)).size).toBe(25);
    });

    it('bounds the bytes of a page', async () => {
      const { store } = current();
      const payloadJson = JSON.stringify({ text: 'x'.repeat(240_000) });
      const events = eventsOf(50, () => ({ payloadJson }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const page = await store.events({ limit: 1_000 });
      expect(page.items.length).toBeGreaterThan(1);
      expect(page.items.length).toBeLessThan(50);
      const all = await readAll((cursor) => store.events({ limit: 1_000, cursor }));
      expect(new Set(all.map(({ id }) => id)).size).toBe(50);
    });

    it('finds a few among many by a filter that has no index', async () => {
      const { store } = current();
      const events = eventsOf(12_000, (index) => ({
        receivedAt: startAt + (index % 7),
        source: index % 4_001 === 0 ? 'rare' : 'common',
        payloadJson: '{}',
      }));
      await commitBatch(store, await store.claim(claimOf()), events);
      const found = await readAll((cursor) => store.events({ source: 'rare', limit: 2, cursor }));
      expect(found.map(({ id }) => id).sort()).toEqual(
        events
          .filter(({ source }) => source === 'rare')
          .map(({ id }) => id)
          .sort(),
      );
    });

    it('filters by type, source and time, alone and together', async () => {
      const store = await storeEvents();
      const all = await readAll((cursor) => store.events({ limit: 100, cursor }));
      const filters: Omit<EventQuery, 'limit'>[] = [
        { eventType: 'even' },
        { eventType: 'none' },
        { source: 'shop' },
        { source: 'shop', eventType: 'odd' },
        { from: startAt + 1_000 },
        { to: startAt + 1_000 },
        { from: startAt + 1_000, to: startAt + 3_000, eventType: 'odd' },
        { from: startAt + 1_000, to: startAt + 3_000, source: 'shop' },
      ];
      for (const filter of filters) {
        const { eventType, source, from = 0, to = Infinity } = filter;
        const expected = all.filter(
          (event) =>
            (eventType === undefined || event.eventType === eventType) &&
            (source === undefined || event.source === source) &&
            event.receivedAt >= from &&
            event.receivedAt < to,
        );
        const found = await readAll((cursor) => store.events({ ...filter, limit: 3, cursor }));
        expect(found, JSON.stringify(filter)).toEqual(expected);
      }
    });

    it('answers nothing for ids that there are none of', async () => {
      const { store } = current();
      for (const id of ['', 'x', '4a2e6f9a-3d1b-4c5d-8e7f-001122334455', "' OR 1=1"]) {
        expect(await store.event(id)).toBeNull();
        expect(await store.duplicatesOf(id)).toEqual([]);
        expect(await store.inboxEntry(id)).toBeNull();
      }
    });

    it('lists the inbox newest first, with filters', async () => {
      const { store } = current();
      const records = Array.from({ length: 12 }, (_, index) =>
        rejectedOf({
          code: index % 2 === 0 ? 'invalid_json' : 'invalid_event',
          eventType: index % 3 === 0 ? 'order.placed' : null,
          eventId: index === 6 ? 'abc' : null,
        }),
      );
      const { progress } = await commitBatch(store, await store.claim(claimOf()), records.slice(0, 6));
      await commitBatch(store, progress, records.slice(6), { storedAt: startAt + 60_000 });
      await store.discard(['store:1:0:1', 'store:1:0:8'], 1);

      const all = await readAll((cursor) => store.inboxEntries({ limit: 100, cursor }));
      expect(all).toHaveLength(12);
      expect(all.slice(0, 6).every(({ failedAt }) => failedAt === startAt + 60_000)).toBe(true);
      const filters: Omit<InboxQuery, 'limit'>[] = [
        {},
        { state: 'open' },
        { state: 'discarded', code: 'invalid_event' },
        { eventType: 'order.placed', state: 'open', code: 'invalid_json' },
        { eventId: 'abc' },
        { eventId: 'abc', state: 'resolved' },
      ];
      for (const filter of filters) {
        const expected = all.filter((entry) =>
          Object.entries(filter).every(([name, value]) => entry[name as 'code'] === value),
        );
        const found = await readAll((cursor) => store.inboxEntries({ ...filter, limit: 2, cursor }));
        expect(found, JSON.stringify(filter)).toEqual(expected);
      }
    });

    it('throws RangeError for a cursor it can not read', async () => {
      const store = await storeEvents();
      await commitBatch(store, await store.claim(claimOf(3)), [rejectedOf(), rejectedOf()]);
      const ofEvents = (await store.events({ limit: 1 })).nextCursor!;
      const ofInbox = (await store.inboxEntries({ limit: 1 })).nextCursor!;
      const unreadable = [
        '',
        'x',
        '!!',
        ofEvents.slice(1),
        `${ofEvents}A`,
        Buffer.from('event:x:1').toString('base64url'),
      ];
      for (const cursor of [...unreadable, ofInbox]) {
        await expect(store.events({ limit: 1, cursor }), cursor).rejects.toBeInstanceOf(RangeError);
      }
      for (const cursor of [...unreadable, ofEvents]) {
        await expect(store.inboxEntries({ limit: 1, cursor }), cursor).rejects.toBeInstanceOf(RangeError);
      }
    });
  });
}

async function readAll<Item>(read: (cursor?: string) => Promise<Page<Item>>, from?: string): Promise<Item[]> {
  const items: Item[] = [];
  let cursor = from;
  do {
    const page = await read(cursor);
    items.push(...page.items);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}
