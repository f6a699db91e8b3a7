import { hash } from 'node:crypto';
import type { ContentHash, EventContent } from './event.ts';
import { isSameJson } from './json-value.ts';
import { bytesPerUnitMax, payloadBytesMax, writePayload } from './recorded-event.ts';
import { writeUtf8 } from './utf8.ts';

export const contentHashBytes = 16;
const contentHashDigits = 2 * contentHashBytes;

/**
 * First 16 bytes of SHA-256 over the content's bytes, which tell most repeats of an event without comparing values.
 * Equal hashes mean equal content; unequal ones only that `sameContent` has to look.
 */
export function hashContent(event: EventContent): ContentHash {
  return hash('sha256', bytesOf(event), 'hex').slice(0, contentHashDigits);
}

/**
 * The hashes of many contents, in one piece of memory: what a batch is written with, where a text of each would be a
 * fifth of what is kept for a record until it is stored.
 */
export class ContentHashes {
  readonly #bytes: Buffer;

  constructor(count: number) {
    this.#bytes = Buffer.allocUnsafe(count * contentHashBytes);
  }

  /** Works out the hash of the content, which is the nth one from then on. */
  set(nth: number, event: EventContent): void {
    // As a text of bytes, which costs a third of an array of them.
    const bytes = hash('sha256', bytesOf(event), 'latin1');
    this.#bytes.write(bytes, nth * contentHashBytes, contentHashBytes, 'latin1');
  }

  get(nth: number): ContentHash {
    return this.#bytes.toString('hex', nth * contentHashBytes, (nth + 1) * contentHashBytes);
  }

  /** Writes the bytes of the nth. */
  write(nth: number, target: Uint8Array, at: number): void {
    this.#bytes.copy(target, at, nth * contentHashBytes, (nth + 1) * contentHashBytes);
  }
}

/** What is hashed of an event; good until the next. */
function bytesOf(event: EventContent): Buffer {
  const { eventType, source, occurredAt } = event;
  const room = roomFor(
    partBytesMax(eventType) + partBytesMax(source) + partBytesMax(occurredAt) + payloadBytesMax(event),
  );
  const payloadAt = writePart(occurredAt, room, writePart(source, room, writePart(eventType, room, 0)));
  const end = payloadAt + writePayload(event, room, payloadAt);
  return beginningOf(room, end);
}

const roomKept = Buffer.allocUnsafe(4_096);
/**
 * Beginnings of `roomKept` by their length: an array over bytes is a third of what hashing an event leaves to collect.
 */
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
