import { hash } from 'node:crypto';
import type { ContentHash, EventContent } from './event.ts';
import { isSameJson } from './json-value.ts';
import { bytesPerUnitMax, payloadBytesMax, writePayload } from './recorded-event.ts';
import { writeUtf8 } from './utf8.ts';

export const contentHashDigits = 32;

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
  return hash('sha256', beginningOf(room, end), 'hex').slice(0, contentHashDigits);
}

const roomKept = Buffer.allocUnsafe(4_096);
/** Beginnings of `roomKept` by their length: an array over bytes is a third of what hashing an event leaves to collect. */
const beginnings: (Buffer | undefined)[] = new Array(roomKept.length + 1).fill(undefined);

function beginningOf(room: Buffer, length: number): Buffer {
  return room === roomKept ? (beginnings[length] ??= room.subarray(0, length)) : room.subarray(0, length);
}

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
  const at = writeUtf8(`${text.length}:`, room, start);
  return writeUtf8(text, room, at);
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
