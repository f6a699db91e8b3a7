import type { EventEnvelope } from '../domain/event.ts';
import { redriveEventId } from '../domain/identity.ts';
import type { InboxEntry } from '../domain/inbox.ts';
import { decodeRecord } from '../domain/record-codec.ts';

/**
 * The event a redrive appends.
 * @param payloadJson replaces the payload, where given
 * @returns null where no event can be made of the record
 */
export function prepareRedrive(entry: InboxEntry, receivedAt: number, payloadJson?: string): EventEnvelope | null {
  const derivedId = redriveEventId(entry.id);
  const decoded = decodeRecord(entry.value, entry.receivedAt, { idWhenMissing: derivedId });
  const id = entry.code === 'conflict' ? derivedId : (entry.eventId ?? derivedId);
  if (decoded.ok) {
    return {
      ...decoded.event,
      id,
      receivedAt,
      redriveOf: entry.id,
      payloadJson: payloadJson ?? decoded.event.payloadJson,
    };
  }
  if (payloadJson === undefined || entry.eventType === null) return null;
  return {
    id,
    eventType: entry.eventType,
    clientId: null,
    source: null,
    key: entry.key,
    occurredAt: null,
    receivedAt,
    redriveOf: entry.id,
    payloadJson,
  };
}
