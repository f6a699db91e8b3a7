import { hash } from 'node:crypto';
import type { ContentHash } from './event.ts';
import { murmur2 } from './partitioner.ts';

/**
 * The identity of an event: docs/decisions/0002-event-identity.md has the rules, their reasons and the bytes. Two
 * events are the same event if and only if they have the same id, so nothing here may change once ids have been given
 * out.
 */
export interface EventIdentity {
  readonly id: string;
  /** The id as the client sent it, where the event's id had to be derived from it. */
  readonly clientId: string | null;
}

/** The event's id for the id that a client sent. */
export function resolveEventId({ id, source }: { readonly id: string; readonly source: string | null }): EventIdentity {
  const uuid = uuidOf(id);
  if (uuid !== null && uuid[14] !== '8' && (source === null || isIssuedFor(uuid, source))) {
    return { id: uuid, clientId: null };
  }
  return { id: deriveEventId(source, id), clientId: id };
}

/**
 * A UUIDv8: SHA-256 of `esp1\0`, the byte length of source as uint32 big-endian, source, id. An absent source is empty.
 */
export function deriveEventId(source: string | null, id: string): string {
  const from = source ?? '';
  const sourceBytes = Buffer.byteLength(from);
  // Below 128 the four length bytes are four ASCII characters, and a string can be hashed without a buffer in between.
  if (sourceBytes < 128)
    return uuidFromHash(hash('sha256', `esp1\0\0\0\0${String.fromCharCode(sourceBytes)}${from}${id}`), '8');
  const head = Buffer.from('esp1\0\0\0\0\0');
  head.writeUInt32BE(sourceBytes, 5);
  return uuidFromHash(hash('sha256', Buffer.concat([head, Buffer.from(from), Buffer.from(id)])), '8');
}

/**
 * The id of a redriven record that had none, or that has another content than the one it failed with. Stable for each
 * inbox row.
 */
export function redriveEventId(inboxId: string): string {
  return uuidFromHash(hash('sha256', `esp1 redrive\0${inboxId}`), '8');
}

/**
 * The id of a conflict that is redriven as it is. Stable for its content, so that a client's resending of one conflict,
 * which makes an inbox row each time, makes one event of it.
 * @param contentHash as `hashContent` makes it
 */
export function conflictEventId(eventId: string, contentHash: ContentHash): string {
  return uuidFromHash(hash('sha256', `esp1 conflict\0${eventId}${contentHash}`), '8');
}

/**
 * The id of an event that was sent without one under an Idempotency-Key. In the form of a UUIDv5, so that it can be
 * sent back as an id.
 * @param bytesHash hash of the event's own bytes, as hex
 * @param n how many events of the same bytes stand before it in the request
 */
export function idempotentEventId(
  owner: string,
  key: string,
  bytesHash: string,
  n: number,
  source: string | null = null,
): string {
  // Length before each free text, so that no two (owner, key) run together to the same input.
  const input = `esp1 idempotency\0${owner.length}:${owner}${key.length}:${key}${bytesHash}:${n}`;
  return issue(uuidFromHash(hash('sha256', input), '5'), source);
}

/** Characters of every id. */
export const eventIdLength = 36;

let lastMs = 0;
let sequence = 0;

/**
 * A UUIDv7 (RFC 9562): milliseconds, then a counter, so that ids of one process sort in the order they were made, then
 * 62 random bits.
 */
export function newEventId(nowMs: number, source: string | null = null): string {
  writeNewEventId(nowMs, scratch, 0);
  return issue(scratch.toString('latin1'), source);
}

/**
 * A new id of an event without a source, as the characters that go into its record. A string of it, which has to be put
 * together from pieces and taken apart again for its partition, took 9 % of the time of taking in a batch.
 */
export function writeNewEventId(nowMs: number, bytes: Uint8Array, at: number): void {
  if (nowMs > lastMs) {
    // Starts low and anywhere: room to count up in, and two processes seldom run through the same numbers.
    startMillisecond(nowMs, Math.floor(Math.random() * 0x400));
  } else if (++sequence > 0xfff) startMillisecond(lastMs + 1, 0);
  if (randomUsed === random.length) {
    globalThis.crypto.getRandomValues(random);
    randomUsed = 0;
  }
  for (let index = 0; index < timeLength; index += 1) bytes[at + index] = timePart[index]!;
  writeByte(0x70 | (sequence >> 8), bytes, at + 14);
  writeByte(sequence & 0xff, bytes, at + 16);
  bytes[at + 18] = dash;
  writeByte(0x80 | (random[randomUsed]! & 0x3f), bytes, at + 19);
  writeByte(random[randomUsed + 1]!, bytes, at + 21);
  bytes[at + 23] = dash;
  for (let nth = 2; nth < 8; nth += 1) writeByte(random[randomUsed + nth]!, bytes, at + 20 + nth * 2);
  randomUsed += 8;
}

/** Two hexadecimal digits of each byte. */
const digits = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0')).join(''));
const dash = 0x2d;
const timeLength = 14;
/** lastMs as the first characters of a UUID, dashes included. */
const timePart = new Uint8Array(timeLength);
const random = new Uint8Array(4_096);
let randomUsed = random.length;
const scratch = Buffer.alloc(eventIdLength);

function writeByte(byte: number, bytes: Uint8Array, at: number): void {
  bytes[at] = digits[byte * 2]!;
  bytes[at + 1] = digits[byte * 2 + 1]!;
}

function startMillisecond(ms: number, firstSequence: number): void {
  lastMs = ms;
  sequence = firstSequence;
  const time = ms.toString(16).padStart(12, '0');
  timePart.set(Buffer.from(`${time.slice(0, 8)}-${time.slice(8)}-`));
}

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const uuidFormAnyCase = new RegExp(uuidForm, 'i');

/** The 8-4-4-4-12 form, any version, either case. */
export function isUuid(text: string): boolean {
  return text.length === 36 && (uuidForm.test(text) || uuidFormAnyCase.test(text));
}

/** The UUID in lower case, or null if it is none. */
export function uuidOf(text: string): string | null {
  if (text.length !== 36) return null;
  // Lower case already, nearly always: no copy is made.
  if (uuidForm.test(text)) return text;
  return uuidFormAnyCase.test(text) ? text.toLowerCase() : null;
}

/** Whether a UUID in lower case stands there, by a table: half of what a text and a regular expression take. */
export function isUuidAt(bytes: Uint8Array, start: number): boolean {
  for (let nth = 0; nth < eventIdLength; nth += 1) {
    const isDash = nth === 8 || nth === 13 || nth === 18 || nth === 23;
    if (isDash ? bytes[start + nth] !== dash : isHexDigit[bytes[start + nth]!] !== 1) return false;
  }
  return true;
}

const isHexDigit = new Uint8Array(256);
for (const byte of Buffer.from('0123456789abcdef')) isHexDigit[byte] = 1;

const variants = '89ab';

function uuidFromHash(hex: string, version: string): string {
  const variant = variants[Number.parseInt(hex[16]!, 16) & 3];
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * An id that the server makes for an event with a source ends in 24 bits that tell it was made for that source. So it
 * can be sent back as that event's id, source and all, and means the same event; without this mark (source, id) would
 * derive another id, and resending what was not confirmed would store it twice.
 */
function issue(uuid: string, source: string | null): string {
  return source === null ? uuid : uuid.slice(0, 30) + mark(uuid, source);
}

function isIssuedFor(uuid: string, source: string): boolean {
  return (uuid[14] === '7' || uuid[14] === '5') && uuid.endsWith(mark(uuid, source));
}

function mark(uuid: string, source: string): string {
  const sum = murmur2(Buffer.from(`esp1 issued\0${uuid.slice(0, 30)}${source}`)) & 0xffffff;
  return sum.toString(16).padStart(6, '0');
}
