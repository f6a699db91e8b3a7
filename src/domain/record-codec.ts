import type { EventEnvelope } from './event.ts';
import type { Rejection } from './failure.ts';
import { isUuid, resolveEventId } from './identity.ts';
import { syntaxMessage, violationProblems } from './json-problem.ts';
import { createJsonScanner, type ScannedField, skipSpace } from './json-scan.ts';
import { quoted, unquote, withoutSigns } from './json-text.ts';
import { limits } from './limits.ts';
import { formatRfc3339, isRfc3339, parseStamp } from './rfc3339.ts';
import { invalidUtf8At, isUtf8, utf8Text } from './utf8.ts';

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
  readonly key: string | null;
  readonly redriveOf: string | null;
  /** Milliseconds since the epoch; the log's timestamp where the record does not tell. */
  readonly receivedAt: number;
}

export function encodeRecord(event: EventEnvelope): Buffer {
  let head = `{"id":"${event.id}","event_type":${quoted(event.eventType)}`;
  if (event.clientId !== null) head += `,"client_id":${quoted(event.clientId)}`;
  if (event.source !== null) head += `,"source":${quoted(event.source)}`;
  if (event.key !== null) head += `,"key":${quoted(event.key)}`;
  if (event.occurredAt !== null) head += `,"occurred_at":${quoted(event.occurredAt)}`;
  head += `,"received_at":"${formatRfc3339(event.receivedAt)}"`;
  if (event.redriveOf !== null) head += `,"redrive_of":${quoted(event.redriveOf)}`;
  return Buffer.from(`${head},"payload":${event.payloadJson}}`);
}

/** Each field's place in `slots`. */
const slot = {
  id: 0,
  event_type: 1,
  client_id: 2,
  source: 3,
  key: 4,
  occurred_at: 5,
  received_at: 6,
  redrive_of: 7,
  payload: 8,
} as const;
type Name = keyof typeof slot;
const slotOf = new Map<string, number>(Object.entries(slot));

const recordBytesMax = limits.eventBytesMax + limits.envelopeBytesMax;
const scanner = createJsonScanner();
/** Index of each field in the record that is being read, −1 where it has none. Of a duplicate the last one counts. */
const slots = new Int32Array(slotOf.size);

/** @param timestampMs the log's own stamp, which stands in where the record does not tell when it was received */
export function decodeRecord(value: Uint8Array, timestampMs: number): DecodedRecord {
  const text = utf8Text(value);
  const start = skipSpace(text, 0, text.length);
  const isObject = text.charCodeAt(start) === 0x7b;
  const end = isObject ? scanner.object(text, start, text.length) : scanner.value(text, start, text.length);
  const unknown = findFields(text, isObject ? scanner.fieldCount : 0);
  const rejection = textRejection(value, text, start, end) ?? eventRejection(text, isObject, unknown);
  if (rejection) return { ok: false, rejection, partial: readPartial(text, timestampMs) };

  const source = optional(text, 'source');
  const identity = identify(text, source);
  const payload = fieldOf('payload')!;
  return {
    ok: true,
    event: {
      id: identity.id,
      eventType: optional(text, 'event_type')!,
      clientId: identity.clientId ?? optional(text, 'client_id'),
      source,
      key: optional(text, 'key'),
      occurredAt: optional(text, 'occurred_at'),
      receivedAt: receivedAt(text, timestampMs),
      redriveOf: optional(text, 'redrive_of'),
      payloadJson:
        scanner.negativeZeros.length === 0
          ? text.slice(payload.start, payload.end)
          : withoutSigns(text, payload.start, payload.end, scanner.negativeZeros),
    },
  };
}

/** Fills `slots`. @returns the first key that is none of ours, or null */
function findFields(text: string, count: number): string | null {
  slots.fill(-1);
  let unknown: string | null = null;
  for (let index = 0; index < count; index++) {
    const field = scanner.fields[index]!;
    const name = unquote(text.slice(field.keyStart, field.keyEnd), field.keyEscaped);
    const place = slotOf.get(name);
    if (place === undefined) unknown ??= name;
    else slots[place] = index;
  }
  return unknown;
}

function textRejection(value: Uint8Array, text: string, start: number, end: number): Rejection | null {
  if (value.byteLength > recordBytesMax) {
    return {
      code: 'event_too_large',
      message: `the record has ${value.byteLength} bytes; at most ${recordBytesMax} are taken`,
    };
  }
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

function eventRejection(text: string, isObject: boolean, unknown: string | null): Rejection | null {
  if (!isObject) return { code: 'invalid_event', message: 'a record must be a JSON object' };
  const problem = unknown === null ? fieldProblem(text) : `unknown field ${JSON.stringify(unknown.slice(0, 100))}`;
  if (problem !== null) return { code: 'invalid_event', message: problem };
  return slots[slot.id]! < 0 ? { code: 'missing_id', message: 'id is missing' } : null;
}

const charactersMax = {
  id: limits.idCharactersMax,
  event_type: limits.eventTypeCharactersMax,
  client_id: limits.idCharactersMax,
  source: limits.sourceCharactersMax,
  key: limits.keyCharactersMax,
  redrive_of: limits.idCharactersMax,
} as const;
const boundedNames = Object.keys(charactersMax) as (keyof typeof charactersMax)[];

function fieldProblem(text: string): string | null {
  if (slots[slot.event_type]! < 0) return 'event_type is missing';
  const payload = fieldOf('payload');
  if (!payload) return 'payload is missing';
  if (payload.kind !== 'object') return `payload must be a JSON object, got ${payload.kind}`;
  for (const name of boundedNames) {
    const field = fieldOf(name);
    if (!field) continue;
    if (field.kind !== 'string') return `${name} must be a string, got ${field.kind}`;
    if (!hasLength(text, field, charactersMax[name])) return `${name} must have 1 to ${charactersMax[name]} characters`;
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(optional(text, 'event_type')!))
    return 'event_type must not have control characters';
  const occurredAt = fieldOf('occurred_at');
  if (!occurredAt) return null;
  if (occurredAt.kind !== 'string') return `occurred_at must be a string, got ${occurredAt.kind}`;
  return isRfc3339(optional(text, 'occurred_at')!) ? null : 'occurred_at must be an RFC 3339 time with an offset';
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

function fieldOf(name: Name): ScannedField | undefined {
  return scanner.fields[slots[slot[name]]!];
}

/** The field's string, or null where the record has none. */
function optional(text: string, name: Name): string | null {
  const field = fieldOf(name);
  return field ? unquote(text.slice(field.start, field.end), field.escaped) : null;
}

function identify(text: string, source: string | null) {
  const id = optional(text, 'id')!;
  // Ingest has derived already: any UUID, a version 8 above all, is the event's id as it stands.
  return isUuid(id) ? { id: id.toLowerCase(), clientId: null } : resolveEventId({ id, source });
}

function receivedAt(text: string, timestampMs: number): number {
  const field = fieldOf('received_at');
  if (field?.kind !== 'string') return timestampMs;
  return parseStamp(optional(text, 'received_at')!) ?? timestampMs;
}

/** Only what a text column can hold: a value of the wrong kind or length, or with a broken character in it, is left out. */
function readPartial(text: string, timestampMs: number): PartialRecord {
  const read = (name: keyof typeof charactersMax) => {
    const field = fieldOf(name);
    if (field?.kind !== 'string' || !hasLength(text, field, charactersMax[name])) return null;
    const value = optional(text, name)!;
    return value.isWellFormed() && !/[\u0000\ufffd]/.test(value) ? value : null;
  };
  const id = read('id');
  return {
    eventId: id === null ? null : identify(text, read('source')).id,
    eventType: read('event_type'),
    key: read('key'),
    redriveOf: read('redrive_of'),
    receivedAt: receivedAt(text, timestampMs),
  };
}
