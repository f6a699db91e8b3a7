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
  const room = roomFor(
    partBytesMax(eventType) + partBytesMax(source) + partBytesMax(occurredAt) + payloadBytesMax(event),
  );
  const payloadAt = writePart(occurredAt, room, writePart(source, room, writePart(eventType, room, 0)));
  const end = payloadAt + writePayload(event, room, payloadAt);
  return hash('sha256', room.subarray(0, end), 'hex').slice(0, contentHashDigits);
}

const roomKept = Buffer.allocUnsafe(4_096);

function roomFor(bytes: number): Buffer {
  return bytes <= roomKept.length ? roomKept : Buffer.allocUnsafe(bytes);
}

/** What a part's length and the colon behind it take at most. */
const lengthBytesMax = 12;

function partBytesMax(text: string | null): number {
  return lengthBytesMax + (text === null ? 0 : text.length * bytesPerUnitMax);
}

/**
 * Each free text stands behind its length, so that no two contents run together to the same bytes.
 * @returns the position after it
 */
function writePart(text: string | null, room: Buffer, start: number): number {
  if (text === null) {
    room[start] = 0x2d;
    return start + 1;
  }
  const at = writeAscii(`${text.length}:`, room, start);
  return writeAscii(text, room, at);
}

/** By hand what is ASCII, as nearly all of it is: for texts so short a call into the engine takes longer. */
function writeAscii(text: string, room: Buffer, start: number): number {
  for (let nth = 0; nth < text.length; nth += 1) {
    const unit = text.charCodeAt(nth);
    if (unit > 0x7f) return start + room.write(text, start);
    room[start + nth] = unit;
  }
  return start + text.length;
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
