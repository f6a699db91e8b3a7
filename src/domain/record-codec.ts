import { isUtf8 } from 'node:buffer';
import type { EventEnvelope } from './event.ts';
import type { Rejection } from './failure.ts';
import { type EventIdentity, eventIdLength, isUuidAt, resolveEventId, uuidOf } from './identity.ts';
import { createKeyLookup, keyOf, standsAt } from './json-keys.ts';
import { syntaxMessage, violationProblems } from './json-problem.ts';
import { createJsonScanner, type ScannedField, skipSpace } from './json-scan.ts';
import { quoted, stringAt, withoutSigns } from './json-text.ts';
import { limits } from './limits.ts';
import { RecordedEvent } from './recorded-event.ts';
import { formatRfc3339, isRfc3339, parseRfc3339, parseStamp } from './rfc3339.ts';
import { invalidUtf8At, latin1Text, utf8Text } from './utf8.ts';

/**
 * A record of the log: one JSON object, the payload last, absent fields left out. Any producer may write to the log in
 * this form, so reading one checks everything again that ingest checks, in one pass over the bytes.
 */
export type DecodedRecord =
  | { readonly ok: true; readonly event: RecordedEvent }
  | { readonly ok: false; readonly rejection: Rejection; readonly partial: PartialRecord };

/** What could be read of a record that is no event. */
export interface PartialRecord {
  readonly eventId: string | null;
  readonly eventType: string | null;
  readonly clientId: string | null;
  readonly source: string | null;
  readonly key: string | null;
  readonly occurredAt: string | null;
  readonly redriveOf: string | null;
  /** Milliseconds since the epoch; the log's timestamp where the record does not tell. */
  readonly receivedAt: number;
}

export function encodeRecord(event: EventEnvelope): Buffer {
  return Buffer.from(`${recordStart}${event.id}${headAfterId(event)}${event.payloadJson}}`);
}

/** How a record that was written here begins; its id comes next. */
export const recordStart = '{"id":"';
export const idAt = recordStart.length;

/** The id of a record that was written here. */
export function recordId(value: Uint8Array): string {
  return latin1Text(value, idAt, idAt + eventIdLength);
}

/** What stands between the id of a record and its payload. */
export function headAfterId(event: Omit<EventEnvelope, 'id' | 'payloadJson'>): string {
  let head = `","event_type":${quoted(event.eventType)}`;
  if (event.clientId !== null) head += `,"client_id":${quoted(event.clientId)}`;
  if (event.source !== null) head += `,"source":${quoted(event.source)}`;
  if (event.key !== null) head += `,"key":${quoted(event.key)}`;
  if (event.occurredAt !== null) head += `,"occurred_at":${quoted(event.occurredAt)}`;
  head += `,"received_at":"${formatRfc3339(event.receivedAt)}"`;
  if (event.redriveOf !== null) head += `,"redrive_of":${quoted(event.redriveOf)}`;
  return `${head},"payload":`;
}

/** Each field's place in `slots`. */
const place = {
  id: 0,
  eventType: 1,
  clientId: 2,
  source: 3,
  key: 4,
  occurredAt: 5,
  receivedAt: 6,
  redriveOf: 7,
  payload: 8,
} as const;
const names = ['id', 'event_type', 'client_id', 'source', 'key', 'occurred_at', 'received_at', 'redrive_of', 'payload'];
const placeOf = createKeyLookup(names);

/** What ingest may have appended under the starting limits. */
export const recordBytesMax = limits.eventBytesMax + limits.envelopeBytesMax;
/** What of a record that is too large is still looked at for an id and a type. */
const recordReadBytesMax = 8 * 1024 * 1024;
const scanner = createJsonScanner();
/** Index of each field in the record that is being read, −1 where it has none. Of a duplicate the last one counts. */
const slots = new Int32Array(names.length);

export interface DecodeOptions {
  /** Larger records are refused. */
  readonly bytesMax?: number;
  /** The event's id where the record has none; else a record without one is refused. */
  readonly idWhenMissing?: string;
}

/** @param timestampMs the log's own stamp, which stands in where the record does not tell when it was received */
export function decodeRecord(
  value: Uint8Array,
  timestampMs: number,
  { bytesMax = recordBytesMax, idWhenMissing }: DecodeOptions = {},
): DecodedRecord {
  // Some other producer's. Of one that is so much too large not even the grammar is looked at: it may be of any length.
  if (value.byteLength > recordReadBytesMax)
    return { ok: false, rejection: tooLarge(value, bytesMax), partial: nothing(timestampMs) };
  const start = skipSpace(value, 0, value.length);
  const isObject = value[start] === 0x7b;
  const end = scanner.value(value, start, value.length);
  const unknown = findFields(value, scanner.fieldCount);
  const rejection =
    bytesRejection(value, start, end, bytesMax) ?? eventRejection(value, isObject, unknown, idWhenMissing);
  if (rejection) return { ok: false, rejection, partial: readPartial(value, timestampMs) };

  return { ok: true, event: readEvent(value, timestampMs, idWhenMissing) };
}

/**
 * The event in the record that stands in `bytes` from `start` to `end`, without a view of it: most records are nothing
 * but one. Null where there is anything to be told or mended, which `decodeRecord` does.
 */
export function eventAt(bytes: Uint8Array, start: number, end: number, timestampMs: number): RecordedEvent | null {
  if (end - start > recordBytesMax) return null;
  const objectAt = skipSpace(bytes, start, end);
  if (objectAt === end || bytes[objectAt] !== 0x7b) return null;
  const objectEnd = scanner.value(bytes, objectAt, end);
  if (objectEnd < 0 || skipSpace(bytes, objectEnd, end) < end) return null;
  if (scanner.violations.length > 0 || scanner.negativeZeros.length > 0) return null;
  if (!scanner.isAscii && !isUtf8(bytes.subarray(start, end))) return null;
  const unknown = findFields(bytes, scanner.fieldCount);
  return eventRejection(bytes, true, unknown, undefined) === null ? readEvent(bytes, timestampMs) : null;
}

function readEvent(value: Uint8Array, timestampMs: number, idWhenMissing = ''): RecordedEvent {
  const source = optional(value, place.source);
  const { id, clientId } = identityOf(value, source) ?? { id: idWhenMissing, clientId: null };
  const payload = fieldOf(place.payload)!;
  const { negativeZeros } = scanner;
  const record =
    negativeZeros.length === 0 ? value : Buffer.from(withoutSigns(value, payload.start, payload.end, negativeZeros));
  return new RecordedEvent(
    id,
    eventTypeOf(value)!,
    clientId ?? optional(value, place.clientId),
    source,
    optional(value, place.key),
    optional(value, place.occurredAt),
    receivedAt(value, timestampMs),
    optional(value, place.redriveOf),
    record,
    record === value ? payload.start : 0,
    record === value ? payload.end : record.length,
  );
}

/** Fills `slots`. @returns the first key that is none of ours, or null */
function findFields(value: Uint8Array, count: number): string | null {
  slots.fill(-1);
  let unknown: string | null = null;
  for (let index = 0; index < count; index++) {
    const field = scanner.fields[index]!;
    const found = placeOf(value, field);
    if (found < 0) unknown ??= keyOf(value, field);
    else slots[found] = index;
  }
  return unknown;
}

function bytesRejection(value: Uint8Array, start: number, end: number, bytesMax: number): Rejection | null {
  if (value.byteLength > bytesMax) return tooLarge(value, bytesMax);
  const rest = end < 0 ? end : skipSpace(value, end, value.length);
  const isPlain = rest === value.length && scanner.isAscii;
  if (!isPlain && !isUtf8(value)) return { code: 'invalid_utf8', message: `not UTF-8 at byte ${invalidUtf8At(value)}` };
  if (end < 0) return { code: 'invalid_json', message: syntaxMessage(scanner, value) };
  if (rest < value.length) return { code: 'invalid_json', message: `text goes on after the value (byte ${rest})` };
  if (scanner.violations.length === 0) return null;
  const [first] = violationProblems(scanner, value, start);
  const code = first!.code === 'nested_too_deep' ? 'nested_too_deep' : 'unsupported_value';
  return { code, message: `${first!.path}: ${first!.message}` };
}

function tooLarge(value: Uint8Array, bytesMax: number): Rejection {
  return {
    code: 'event_too_large',
    message: `the record has ${value.byteLength} bytes; at most ${bytesMax} are taken`,
  };
}

function nothing(timestampMs: number): PartialRecord {
  return {
    eventId: null,
    eventType: null,
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    redriveOf: null,
    receivedAt: timestampMs,
  };
}

function eventRejection(
  value: Uint8Array,
  isObject: boolean,
  unknown: string | null,
  idWhenMissing: string | undefined,
): Rejection | null {
  if (!isObject) return { code: 'invalid_event', message: 'a record must be a JSON object' };
  const problem = unknown === null ? fieldsProblem(value) : `unknown field ${JSON.stringify(unknown.slice(0, 100))}`;
  if (problem !== null) return { code: 'invalid_event', message: problem };
  return slots[place.id]! < 0 && idWhenMissing === undefined ? { code: 'missing_id', message: 'id is missing' } : null;
}

/** @returns the first thing that is wrong with the fields, or null */
function fieldsProblem(value: Uint8Array): string | null {
  if (slots[place.eventType]! < 0) return 'event_type is missing';
  const payload = fieldOf(place.payload);
  if (!payload) return 'payload is missing';
  if (payload.kind !== 'object') return `payload must be a JSON object, got ${payload.kind}`;
  const problem =
    stringProblem(value, place.id, limits.idCharactersMax) ??
    stringProblem(value, place.eventType, limits.eventTypeCharactersMax) ??
    stringProblem(value, place.clientId, limits.idCharactersMax) ??
    stringProblem(value, place.source, limits.sourceCharactersMax) ??
    stringProblem(value, place.key, limits.keyCharactersMax) ??
    stringProblem(value, place.redriveOf, limits.idCharactersMax) ??
    stringProblem(value, place.occurredAt, limits.occurredAtCharactersMax);
  if (problem !== null) return problem;
  if (eventTypeOf(value) === null) return 'event_type must not have control characters';
  const occurredAt = optional(value, place.occurredAt);
  return occurredAt === null || isRfc3339(occurredAt) ? null : 'occurred_at must be an RFC 3339 time with an offset';
}

const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

const eventTypesKept = 1_024;
const eventTypes: (KeptType | undefined)[] = new Array(eventTypesKept).fill(undefined);

interface KeptType {
  readonly bytes: Uint8Array;
  readonly type: string;
}

/**
 * The record's type, or null where it breaks the rule for types. Types repeat: most are found among those that were
 * read before, so that no string is made and looked through, and what is kept by type finds a string whose hash it
 * knows.
 */
function eventTypeOf(value: Uint8Array): string | null {
  const field = fieldOf(place.eventType)!;
  if (field.escaped) return checkedType(optional(value, place.eventType)!);
  const start = field.start + 1;
  const length = field.end - start - 1;
  const middle = value[start + (length >> 1)]!;
  const last = value[start + length - 1]!;
  const slot = (length * 961 + value[start]! * 293 + middle * 31 + last) % eventTypesKept;
  const kept = eventTypes[slot];
  if (kept !== undefined && kept.bytes.length === length && standsAt(value, start, kept.bytes)) return kept.type;
  const type = checkedType(utf8Text(value, start, start + length));
  if (type !== null) eventTypes[slot] = { bytes: new Uint8Array(value.subarray(start, start + length)), type };
  return type;
}

function checkedType(type: string): string | null {
  return controlCharacter.test(type) ? null : type;
}

function stringProblem(value: Uint8Array, at: number, charactersMax: number): string | null {
  const field = fieldOf(at);
  if (!field) return null;
  if (field.kind !== 'string') return `${names[at]} must be a string, got ${field.kind}`;
  return hasLength(value, field, charactersMax) ? null : `${names[at]} must have 1 to ${charactersMax} characters`;
}

/** Length in code points, as JSON Schema counts it. */
function hasLength(value: Uint8Array, field: ScannedField, max: number): boolean {
  const bytes = field.end - field.start - 2;
  if (bytes === 0) return false;
  if (bytes <= max) return true;
  const text = stringAt(value, field.start, field.end, field.escaped);
  if (text.length > 2 * max) return false;
  let characters = 0;
  for (const _ of text) characters += 1;
  return characters <= max;
}

function fieldOf(at: number): ScannedField | null {
  const index = slots[at]!;
  return index < 0 ? null : scanner.fields[index]!;
}

/** The field's string, or null where the record has none. */
function optional(value: Uint8Array, at: number): string | null {
  const field = fieldOf(at);
  if (!field) return null;
  return stringAt(value, field.start, field.end, field.escaped);
}

/** Null where the record has no id. */
function identityOf(value: Uint8Array, source: string | null): EventIdentity | null {
  const field = fieldOf(place.id);
  if (field === null) return null;
  const start = field.start + 1;
  if (field.end - start - 1 === eventIdLength && isUuidAt(value, start))
    return { id: latin1Text(value, start, start + eventIdLength), clientId: null };
  return identify(optional(value, place.id)!, source);
}

/** Ingest has derived already: any UUID, a version 8 above all, is the event's id as it stands. */
function identify(id: string, source: string | null): EventIdentity {
  const uuid = uuidOf(id);
  return uuid === null ? resolveEventId({ id, source }) : { id: uuid, clientId: null };
}

function receivedAt(value: Uint8Array, timestampMs: number): number {
  const field = fieldOf(place.receivedAt);
  if (field?.kind !== 'string') return timestampMs;
  const told =
    (field.escaped
      ? parseRfc3339(optional(value, place.receivedAt)!)
      : parseStamp(value, field.start + 1, field.end - 1)) ?? timestampMs;
  // Another producer's clock may be anywhere. An event of a far future would never leave the store, nor its rollups.
  return told > timestampMs + limits.clockSkewMaxMs ? timestampMs : told;
}

/**
 * Only what a text column can hold: a value of the wrong kind or length, or with a broken character in it, is left out.
 */
function readPartial(value: Uint8Array, timestampMs: number): PartialRecord {
  const read = (at: number, charactersMax: number) => {
    const field = fieldOf(at);
    if (field?.kind !== 'string' || !hasLength(value, field, charactersMax)) return null;
    const text = optional(value, at)!;
    return text.isWellFormed() && !/[\u0000\ufffd]/.test(text) ? text : null;
  };
  const id = read(place.id, limits.idCharactersMax);
  const source = read(place.source, limits.sourceCharactersMax);
  const identity = id === null ? null : identify(id, source);
  const occurredAt = read(place.occurredAt, limits.occurredAtCharactersMax);
  const eventType = read(place.eventType, limits.eventTypeCharactersMax);
  return {
    eventId: identity?.id ?? null,
    clientId: identity?.clientId ?? read(place.clientId, limits.idCharactersMax),
    source,
    occurredAt: occurredAt !== null && isRfc3339(occurredAt) ? occurredAt : null,
    // What breaks the rule for types must not become a name in the metrics.
    eventType: eventType === null || controlCharacter.test(eventType) ? null : eventType,
    key: read(place.key, limits.keyCharactersMax),
    redriveOf: read(place.redriveOf, limits.idCharactersMax),
    receivedAt: receivedAt(value, timestampMs),
  };
}
