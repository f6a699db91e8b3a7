import type { EventEnvelope } from '../domain/event.ts';

/** The event's fields alone, whatever else the object has, so that events can be compared. */
export function envelopeOf(event: EventEnvelope): EventEnvelope {
  const { id, eventType, clientId, source, key, occurredAt, receivedAt, redriveOf, payloadJson } = event;
  return { id, eventType, clientId, source, key, occurredAt, receivedAt, redriveOf, payloadJson };
}
