import { type InboxEntry, inboxId } from '../domain/inbox.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { eventOf } from './event-store.batches.ts';

export const failedReceivedAt = Date.UTC(2026, 0, 5, 8);
export const failedEventId = '0190a3f0-0000-7000-8000-00000000000a';

/** An open conflict of partition 1 at this offset. */
export function entryOf(offset: number, overrides: Partial<InboxEntry> = {}): InboxEntry {
  const position = { logNo: 1, partition: 1, offset };
  return {
    id: inboxId('store', position),
    consumer: 'store',
    position,
    state: 'open',
    code: 'conflict',
    message: 'no',
    attempt: 1,
    eventId: failedEventId,
    eventType: 'order.placed',
    key: null,
    value: encodeRecord(eventOf({ id: failedEventId, receivedAt: failedReceivedAt })),
    receivedAt: failedReceivedAt,
    failedAt: failedReceivedAt,
    countedAs: 'order.placed',
    jobId: null,
    resolution: null,
    settledAt: null,
    ...overrides,
  };
}
