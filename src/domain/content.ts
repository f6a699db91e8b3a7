import { hash } from 'node:crypto';
import type { EventContent } from './event.ts';
import { isSameJson } from './json-value.ts';
import { bytesPerUnitMax, payloadBytesMax, writePayload } from './recorded-event.ts';

/** First 16 bytes of a SHA-256, as 32 hexadecimal digits: an array of bytes of its own would take four times the memory. */
export type ContentHash = string;
const contentHashDigits = 32;

/**
 * First 16 bytes of SHA-256 over the content's bytes, which tell most repeats of an event without comparing values. Equal
 * hashes mean equal content; unequal ones only that `sameContent` has to look.
 */
export function hashContent(event: EventContent): ContentHash {
  const { eventType, source, occurredAt } = event;
  // Each free text stands behind its length, so that no two contents run together to the same bytes.
  const head = `${part(eventType)}${part(source)}${part(occurredAt)}`;
  const room = roomFor(head.length * bytesPerUnitMax + payloadBytesMax(event));
  const payloadAt = room.write(head);
  const end = payloadAt + writePayload(event, room, payloadAt);
  return hash('sha256', room.subarray(0, end), 'hex').slice(0, contentHashDigits);
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
