import { hashContent } from '../domain/content.ts';
import type { EventEnvelope } from '../domain/event.ts';
import { conflictEventId, redriveEventId } from '../domain/identity.ts';
import type { InboxEntry } from '../domain/inbox.ts';
import { decodeRecord } from '../domain/record-codec.ts';

/**
 * The event a redrive appends.
 * @param payloadJson replaces the payload, where given
 * @returns null where no event can be made of the record
 */
export function prepareRedrive(entry: InboxEntry, receivedAt: number, payloadJson?: string): EventEnvelope | null {
  const ownId = redriveEventId(entry.id);
  const decoded = decodeRecord(entry.value, entry.receivedAt, { idWhenMissing: ownId });
  const anew = { receivedAt, redriveOf: entry.id };
  if (decoded.ok) {
    const { eventType, clientId, source, key, occurredAt } = decoded.event;
    const id = idOf(entry, decoded.event, payloadJson);
    const payload = payloadJson ?? decoded.event.payloadJson;
    return { id, eventType, clientId, source, key, occurredAt, payloadJson: payload, ...anew };
  }
  if (payloadJson === undefined || entry.eventType === null) return null;
  const { clientId, source, occurredAt } = decoded.partial;
  const { eventType, key } = entry;
  return { id: entry.eventId ?? ownId, eventType, clientId, source, key, occurredAt, payloadJson, ...anew };
}

function idOf(entry: InboxEntry, event: EventEnvelope, payloadJson: string | undefined): string {
  if (entry.code !== 'conflict') return entry.eventId ?? event.id;
  // Whoever gives it another payload decides about this row alone.
  return payloadJson === undefined ? conflictEventId(event.id, hashContent(event)) : redriveEventId(entry.id);
}
