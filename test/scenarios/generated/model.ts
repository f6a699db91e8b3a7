import { expect } from 'vitest';
import { hashContent } from '../../../src/domain/content.ts';
import { conflictEventId } from '../../../src/domain/identity.ts';
import { type InboxEntry, inboxId, storeConsumer } from '../../../src/domain/inbox.ts';
import { decodeRecord } from '../../../src/domain/record-codec.ts';
import { partitions, retentionMs, type World } from './world.ts';

/** What the model knows an event by: everything that makes its content. */
export interface SentContent {
  readonly eventType: string;
  readonly total: number;
}

interface SentEvent {
  readonly id: string;
  /** How often each content was sent under this id, by `contentKey`. */
  readonly sends: Map<string, number>;
  readonly contents: Map<string, SentContent>;
  lastSentAt: number;
  /** The content that was found stored, once it was seen. */
  storedKey: string | null;
  storedReceivedAt: number;
}

const contentKey = ({ eventType, total }: SentContent) => `${eventType} ${total}`;

/**
 * The simple truth that the pipeline is held against. It knows what was appended, and nothing of offsets, batches,
 * tokens, crashes or threads: every id is stored once, with one of the contents sent under it; every further send of
 * that content is a duplicate; every other content is a conflict in the inbox; every poison record is in the inbox.
 */
export function createModel() {
  const events = new Map<string, SentEvent>();
  const poison: { readonly inboxId: string; readonly code: string }[] = [];
  let poisonCount = 0;

  function send(id: string, content: SentContent, at: number): void {
    let event = events.get(id);
    if (event === undefined) {
      event = { id, sends: new Map(), contents: new Map(), lastSentAt: at, storedKey: null, storedReceivedAt: 0 };
      events.set(id, event);
    }
    const key = contentKey(content);
    event.sends.set(key, (event.sends.get(key) ?? 0) + 1);
    event.contents.set(key, content);
    event.lastSentAt = at;
  }

  async function check(world: World): Promise<void> {
    const { store, metrics } = world.parts();
    const prunedBefore = world.now() - retentionMs;
    let [stored, duplicate, failed] = [0, 0, poisonCount];
    const storedByType = new Map<string, number>();

    for (const event of events.values()) {
      const row = await store.event(event.id);
      if (row === null) {
        expect(event.storedKey, `event ${event.id} must be stored`).not.toBeNull();
        expect(event.storedReceivedAt, `event ${event.id} is gone before its time`).toBeLessThan(prunedBefore);
      } else {
        const { total } = JSON.parse(row.payloadJson) as { total: number };
        const key = contentKey({ eventType: row.eventType, total });
        expect(event.sends.has(key), `event ${event.id} is stored with a content nobody sent`).toBe(true);
        if (event.storedKey !== null) expect(key, `event ${event.id} changed`).toBe(event.storedKey);
        event.storedKey = key;
        event.storedReceivedAt = row.receivedAt;
      }
      const sendsOfStored = event.sends.get(event.storedKey!)!;
      const sendsInAll = [...event.sends.values()].reduce((sum, count) => sum + count, 0);
      const type = event.contents.get(event.storedKey!)!.eventType;
      storedByType.set(type, (storedByType.get(type) ?? 0) + 1);
      stored += 1;
      duplicate += sendsOfStored - 1;
      failed += sendsInAll - sendsOfStored;
    }

    const ledger = await world.ledger();
    expect(ledger).toMatchObject({ balanced: true, inFlight: 0, lost: 0, skipped: 0 });
    expect(ledger.appended, 'every appended record has an outcome').toBe(world.appendedCount());
    expect({ stored: ledger.stored, duplicate: ledger.duplicate, failed: ledger.failed }).toEqual({
      stored,
      duplicate,
      failed,
    });
    expect(await store.verify(storeConsumer), 'rows, rollups, totals and progress agree').toEqual([]);

    for (const { inboxId, code } of poison) expect((await store.inboxEntry(inboxId))?.code).toBe(code);
    for (let partition = 0; partition < partitions; partition += 1) {
      const expected = await store.partitionMetrics(storeConsumer, partition, world.now());
      const found = await metrics.watermark(partition);
      expect(found, `metrics of partition ${partition} are where the store is`).toEqual(expected?.watermark ?? null);
    }
    const { allTime } = await metrics.read('24h', world.now());
    expect({ total: allTime.total, duplicates: allTime.duplicates, failed: allTime.failed }).toEqual({
      total: stored,
      duplicates: duplicate,
      failed,
    });
    const named = allTime.byType.filter(({ eventType }) => eventType !== '(other)');
    for (const { eventType, count } of named) expect(count, eventType).toBe(storedByType.get(eventType));
    expect(allTime.byType.reduce((sum, { count }) => sum + count, 0)).toBe(stored);
  }

  return {
    send,
    check,
    sendPoison(at: { readonly partition: number; readonly offset: number }, code: string): void {
      poison.push({ inboxId: inboxId(storeConsumer, { logNo: 1, ...at }), code });
      poisonCount += 1;
    },
    /** A conflict's redrive is a send like any other, under the id that its content fixes. */
    sendRedrive(entry: InboxEntry, content: SentContent, at: number): void {
      const decoded = decodeRecord(entry.value, at);
      if (!decoded.ok) throw new Error(`${entry.id} is no event: ${decoded.rejection.message}`);
      send(conflictEventId(decoded.event.id, hashContent(decoded.event)), content, at);
    },
    /** Ids that may be sent again: those the window still covers. */
    resendable: (now: number) => [...events.values()].filter(({ lastSentAt }) => lastSentAt > now - retentionMs / 2),
  };
}

export type Model = ReturnType<typeof createModel>;
