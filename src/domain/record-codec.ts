import type { EventEnvelope } from './event.ts';
import type { Rejection } from './failure.ts';
import { type EventIdentity, eventIdLength, resolveEventId, uuidOf } from './identity.ts';
import { syntaxMessage, violationProblems } from './json-problem.ts';
import { createJsonScanner, type ScannedField, skipSpace } from './json-scan.ts';
import { quoted, unquote, withoutSigns } from './json-text.ts';
import { limits } from './limits.ts';
import { formatRfc3339, isRfc3339, parseStamp } from './rfc3339.ts';
import { invalidUtf8At, isUtf8, latin1Text, utf8Text } from './utf8.ts';

/**
 * A record of the log: one JSON object, the payload last, absent fields left out. Any producer may write to the log in this
 * form, so reading one checks everything again that ingest checks, in one pass over the text.
 */
export type DecodedRecord =
  | { readonly ok: true; readonly event: EventEnvelope }
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
  // Some other producer's. Of one that is so much too large not even a text is made: it may be longer than any can be.
  if (value.byteLength > recordReadBytesMax)
    return { ok: false, rejection: tooLarge(value, bytesMax), partial: nothing(timestampMs) };
  const text = utf8Text(value);
  const start = skipSpace(text, 0, text.length);
  const isObject = text.charCodeAt(start) === 0x7b;
  const ascii = text.length === value.byteLength ? value : null;
  const end = isObject
    ? scanner.object(text, start, text.length, ascii)
    : scanner.value(text, start, text.length, ascii);
  const unknown = findFields(text, isObject ? scanner.fieldCount : 0);
  const rejection =
    textRejection(value, text, start, end, bytesMax) ?? eventRejection(text, isObject, unknown, idWhenMissing);
  if (rejection) return { ok: false, rejection, partial: readPartial(text, timestampMs) };

  return { ok: true, event: readEvent(text, timestampMs, idWhenMissing) };
}

function readEvent(text: string, timestampMs: number, idWhenMissing = ''): EventEnvelope {
  const source = optional(text, place.source);
  const id = optional(text, place.id);
  const identity = id === null ? { id: idWhenMissing, clientId: null } : identify(id, source);
  const payload = fieldOf(place.payload)!;
  return {
    id: identity.id,
    eventType: eventTypeOf(text)!,
    clientId: identity.clientId ?? optional(text, place.clientId),
    source,
    key: optional(text, place.key),
    occurredAt: optional(text, place.occurredAt),
    receivedAt: receivedAt(text, timestampMs),
    redriveOf: optional(text, place.redriveOf),
    payloadJson:
      scanner.negativeZeros.length === 0
        ? text.slice(payload.start, payload.end)
        : withoutSigns(text, payload.start, payload.end, scanner.negativeZeros),
  };
}

/** Fills `slots`. @returns the first key that is none of ours, or null */
function findFields(text: string, count: number): string | null {
  slots.fill(-1);
  let unknown: string | null = null;
  for (let index = 0; index < count; index++) {
    const field = scanner.fields[index]!;
    const found = field.keyEscaped
      ? names.indexOf(keyOf(text, field))
      : placeOf(text, field.keyStart + 1, field.keyEnd - field.keyStart - 2);
    if (found < 0) unknown ??= keyOf(text, field);
    else slots[found] = index;
  }
  return unknown;
}

/** By length and then by comparing in place: a slice of the text would have to be hashed to be looked up. */
function placeOf(text: string, start: number, length: number): number {
  if (length === 2) return text.startsWith('id', start) ? place.id : -1;
  if (length === 3) return text.startsWith('key', start) ? place.key : -1;
  if (length === 6) return text.startsWith('source', start) ? place.source : -1;
  if (length === 7) return text.startsWith('payload', start) ? place.payload : -1;
  if (length === 9) return text.startsWith('client_id', start) ? place.clientId : -1;
  if (length === 10) {
    if (text.startsWith('event_type', start)) return place.eventType;
    return text.startsWith('redrive_of', start) ? place.redriveOf : -1;
  }
  if (length !== 11) return -1;
  if (text.startsWith('received_at', start)) return place.receivedAt;
  return text.startsWith('occurred_at', start) ? place.occurredAt : -1;
}

function keyOf(text: string, field: ScannedField): string {
  return unquote(text.slice(field.keyStart, field.keyEnd), field.keyEscaped);
}

function textRejection(
  value: Uint8Array,
  text: string,
  start: number,
  end: number,
  bytesMax: number,
): Rejection | null {
  if (value.byteLength > bytesMax) return tooLarge(value, bytesMax);
  if (!isUtf8(value, text)) return { code: 'invalid_utf8', message: `not UTF-8 at byte ${invalidUtf8At(value)}` };
  if (end < 0) return { code: 'invalid_json', message: syntaxMessage(scanner, text) };
  const rest = skipSpace(text, end, text.length);
  if (rest < text.length)
    return { code: 'invalid_json', message: `text goes on after the value (character ${rest + 1})` };
  if (scanner.violations.length === 0) return null;
  const [first] = violationProblems(scanner, text, start);
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
  text: string,
  isObject: boolean,
  unknown: string | null,
  idWhenMissing: string | undefined,
): Rejection | null {
  if (!isObject) return { code: 'invalid_event', message: 'a record must be a JSON object' };
  const problem = unknown === null ? fieldsProblem(text) : `unknown field ${JSON.stringify(unknown.slice(0, 100))}`;
  if (problem !== null) return { code: 'invalid_event', message: problem };
  return slots[place.id]! < 0 && idWhenMissing === undefined ? { code: 'missing_id', message: 'id is missing' } : null;
}

/** @returns the first thing that is wrong with the fields, or null */
function fieldsProblem(text: string): string | null {
  if (slots[place.eventType]! < 0) return 'event_type is missing';
  const payload = fieldOf(place.payload);
  if (!payload) return 'payload is missing';
  if (payload.kind !== 'object') return `payload must be a JSON object, got ${payload.kind}`;
  const problem =
    stringProblem(text, place.id, limits.idCharactersMax) ??
    stringProblem(text, place.eventType, limits.eventTypeCharactersMax) ??
    stringProblem(text, place.clientId, limits.idCharactersMax) ??
    stringProblem(text, place.source, limits.sourceCharactersMax) ??
    stringProblem(text, place.key, limits.keyCharactersMax) ??
    stringProblem(text, place.redriveOf, limits.idCharactersMax) ??
    stringProblem(text, place.occurredAt, limits.occurredAtCharactersMax);
  if (problem !== null) return problem;
  if (eventTypeOf(text) === null) return 'event_type must not have control characters';
  const occurredAt = optional(text, place.occurredAt);
  return occurredAt === null || isRfc3339(occurredAt) ? null : 'occurred_at must be an RFC 3339 time with an offset';
}

const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

const eventTypesKept = 1_024;
const eventTypes: (string | undefined)[] = new Array(eventTypesKept).fill(undefined);

/**
 * The record's type, or null where it breaks the rule for types. Types repeat: most are found among those that were read before, so
 * that no string is made and looked through, and what is kept by type finds a string whose hash it knows.
 */
function eventTypeOf(text: string): string | null {
  const field = fieldOf(place.eventType)!;
  if (field.escaped) return checkedType(optional(text, place.eventType)!);
  const start = field.start + 1;
  const length = field.end - start - 1;
  const middle = text.charCodeAt(start + (length >> 1));
  const last = text.charCodeAt(start + length - 1);
  const slot = (length * 961 + text.charCodeAt(start) * 293 + middle * 31 + last) % eventTypesKept;
  const kept = eventTypes[slot];
  if (kept !== undefined && kept.length === length && text.startsWith(kept, start)) return kept;
  // Through bytes: a slice would keep the whole text.
  const type = checkedType(Buffer.from(text.slice(start, start + length)).toString());
  if (type !== null) eventTypes[slot] = type;
  return type;
}

function checkedType(type: string): string | null {
  return controlCharacter.test(type) ? null : type;
}

function stringProblem(text: string, at: number, charactersMax: number): string | null {
  const field = fieldOf(at);
  if (!field) return null;
  if (field.kind !== 'string') return `${names[at]} must be a string, got ${field.kind}`;
  return hasLength(text, field, charactersMax) ? null : `${names[at]} must have 1 to ${charactersMax} characters`;
}

/** Length in code points, as JSON Schema counts it. */
function hasLength(text: string, field: ScannedField, max: number): boolean {
  const units = field.end - field.start - 2;
  if (units === 0) return false;
  if (units <= max) return true;
  const value = unquote(text.slice(field.start, field.end), field.escaped);
  if (value.length > 2 * max) return false;
  let characters = 0;
  for (const _ of value) characters += 1;
  return characters <= max;
}

function fieldOf(at: number): ScannedField | null {
  const index = slots[at]!;
  return index < 0 ? null : scanner.fields[index]!;
}

/** The field's string, or null where the record has none. */
function optional(text: string, at: number): string | null {
  const field = fieldOf(at);
  if (!field) return null;
  return field.escaped ? unquote(text.slice(field.start, field.end), true) : text.slice(field.start + 1, field.end - 1);
}

function identify(id: string, source: string | null): EventIdentity {
  // Ingest has derived already: any UUID, a version 8 above all, is the event's id as it stands.
  const uuid = uuidOf(id);
  return uuid === null ? resolveEventId({ id, source }) : { id: uuid, clientId: null };
}

function receivedAt(text: string, timestampMs: number): number {
  if (fieldOf(place.receivedAt)?.kind !== 'string') return timestampMs;
  const told = parseStamp(optional(text, place.receivedAt)!) ?? timestampMs;
  // Another producer's clock may be anywhere. An event of a far future would never leave the store, nor its rollups.
  return told > timestampMs + limits.clockSkewMaxMs ? timestampMs : told;
}

/** Only what a text column can hold: a value of the wrong kind or length, or with a broken character in it, is left out. */
function readPartial(text: string, timestampMs: number): PartialRecord {
  const read = (at: number, charactersMax: number) => {
    const field = fieldOf(at);
    if (field?.kind !== 'string' || !hasLength(text, field, charactersMax)) return null;
    const value = optional(text, at)!;
    return value.isWellFormed() && !/[\u0000\ufffd]/.test(value) ? value : null;
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
    receivedAt: receivedAt(text, timestampMs),
  };
}
