import { hash } from 'node:crypto';
import type { EventContent } from './event.ts';
import { isSameJson } from './json-value.ts';
import { bytesPerUnitMax, payloadBytesMax, writePayload } from './recorded-event.ts';

/**
 * First 16 bytes of SHA-256 over the content's bytes, which tell most repeats of an event without comparing values. Equal
 * hashes mean equal content; unequal ones only that `sameContent` has to look.
 */
export function hashContent(event: EventContent): Uint8Array {
  const { eventType, source, occurredAt } = event;
  // Each free text stands behind its length, so that no two contents run together to the same bytes.
  const head = `${part(eventType)}${part(source)}${part(occurredAt)}`;
  const room = roomFor(head.length * bytesPerUnitMax + payloadBytesMax(event));
  const payloadAt = room.write(head);
  const end = payloadAt + writePayload(event, room, payloadAt);
  // As latin1 and copied by hand: half of what making a Buffer of it takes.
  const digest = hash('sha256', room.subarray(0, end), 'latin1');
  const bytes = new Uint8Array(16);
  for (let index = 0; index < 16; index++) bytes[index] = digest.charCodeAt(index);
  return bytes;
}

const roomKept = Buffer.allocUnsafe(4_096);

function roomFor(bytes: number): Buffer {
  return bytes <= roomKept.length ? roomKept : Buffer.allocUnsafe(bytes);
}

function part(text: string | null): string {
  return text === null ? '-' : `${text.length}:${text}`;
}

/** Whether two events with one id are the same event: payloads compared as JSON values, exactly. */
export function sameContent(a: EventContent, b: EventContent): boolean {
  return (
    a.eventType === b.eventType &&
    a.source === b.source &&
    a.occurredAt === b.occurredAt &&
    isSameJson(a.payloadJson, b.payloadJson)
  );
}
