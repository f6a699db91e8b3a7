import { hash } from 'node:crypto';
import { idempotentEventId, newEventId, resolveEventId } from '../domain/identity.ts';
import { createKeyLookup, keyOf } from '../domain/json-keys.ts';
import { type JsonProblem, violationProblems } from '../domain/json-problem.ts';
import type { JsonKind, JsonScanner } from '../domain/json-scan.ts';
import { stringAt, withoutSigns } from '../domain/json-text.ts';
import type { EventToWrite } from '../domain/record-writer.ts';
import { type EventOutline, isValidOutline, outlineProblems, unknownField } from './field-problems.ts';

/** The id of an event that came without one. @param json the event as it was sent */
export type MakeId = (json: Uint8Array, source: string | null) => string;

/** For the events of one request that was sent under an Idempotency-Key. */
export function idempotentIds(owner: string, idempotencyKey: string): MakeId {
  const seen = new Map<string, number>();
  return (json, source) => {
    const bytesHash = hash('sha256', json);
    const n = seen.get(bytesHash) ?? 0;
    seen.set(bytesHash, n + 1);
    return idempotentEventId(owner, idempotencyKey, bytesHash, n, source);
  };
}

/** Stand-ins for values that the validator only has to know the kind of. */
const standIns: Record<JsonKind, unknown> = { object: {}, array: [], string: '', number: 0, boolean: true, null: null };

const outline: EventOutline = {
  event_type: undefined,
  payload: undefined,
  id: undefined,
  occurred_at: undefined,
  source: undefined,
  key: undefined,
};
const names = Object.keys(outline) as (keyof EventOutline)[];
const placeOf = createKeyLookup(names);

export interface EventRead extends EventToWrite {
  /** No other record has its id, and none will have unless a client sends it back. */
  hasNewId: boolean;
}

/** What was read last. */
const event: EventRead = {
  id: null,
  hasNewId: false,
  eventType: '',
  clientId: null,
  source: null,
  key: null,
  occurredAt: null,
  receivedAt: 0,
  redriveOf: null,
  payloadStart: 0,
  payloadEnd: 0,
  payloadJson: null,
};

/** An event that may not be appended. */
export interface Rejected {
  /** The first of them, at least one. */
  readonly problems: readonly JsonProblem[];
  /** How many there are. */
  readonly problemCount: number;
}

export function moreProblems(count: number): string {
  return `${count} more ${count === 1 ? 'problem' : 'problems'}`;
}

/**
 * The object that the scanner has just read, from start to end of the bytes → an event, or everything that is wrong
 * with it.
 * @param receivedAt milliseconds since the epoch
 * @param makeId null: events without an id get new ones
 * @param problemsMax how many problems to list: paths and hints cost far more than finding that something is wrong
 * @returns an event only until the next call
 */
export function readEvent(
  scanner: JsonScanner,
  json: Uint8Array,
  start: number,
  end: number,
  receivedAt: number,
  makeId: MakeId | null,
  problemsMax: number,
): EventRead | Rejected {
  const unknownCount = outlineFields(scanner, json);
  const isValid = isValidOutline(outline);
  if (!isValid || unknownCount > 0 || scanner.violations.length > 0) {
    const invalid = isValid ? [] : outlineProblems((name) => kindOfValue(outline[name]));
    const left = problemsMax - invalid.length;
    const unknown = unknownCount > 0 ? unknownFields(scanner, json, left) : [];
    const violations =
      scanner.violations.length > 0 ? violationProblems(scanner, json, start, Math.max(0, left - unknown.length)) : [];
    return {
      problems: [...invalid, ...unknown, ...violations],
      problemCount: invalid.length + unknownCount + scanner.violations.length,
    };
  }
  event.eventType = outline.event_type as string;
  event.source = (outline.source ?? null) as string | null;
  event.key = (outline.key ?? null) as string | null;
  event.occurredAt = (outline.occurred_at ?? null) as string | null;
  event.receivedAt = receivedAt;
  event.payloadJson =
    scanner.negativeZeros.length === 0
      ? null
      : withoutSigns(json, event.payloadStart, event.payloadEnd, scanner.negativeZeros);
  event.clientId = null;
  event.hasNewId = outline.id === undefined && makeId === null;
  if (outline.id !== undefined)
    Object.assign(event, resolveEventId({ id: outline.id as string, source: event.source }));
  else if (makeId !== null) event.id = makeId(json.subarray(start, end), event.source);
  else event.id = event.source === null ? null : newEventId(receivedAt, event.source);
  return event;
}

/** Fills `outline`; of a duplicate key the last one counts. @returns how many fields are none of ours */
function outlineFields(scanner: JsonScanner, json: Uint8Array): number {
  outline.event_type = undefined;
  outline.payload = undefined;
  outline.id = undefined;
  outline.occurred_at = undefined;
  outline.source = undefined;
  outline.key = undefined;
  let unknownCount = 0;
  for (let index = 0; index < scanner.fieldCount; index++) {
    const field = scanner.fields[index]!;
    const name = names[placeOf(json, field)];
    const value =
      field.kind === 'string' ? stringAt(json, field.start, field.end, field.escaped) : standIns[field.kind];
    if (name === 'event_type') outline.event_type = value;
    else if (name === 'payload') {
      outline.payload = value;
      event.payloadStart = field.start;
      event.payloadEnd = field.end;
    } else if (name === 'id') outline.id = value;
    else if (name === 'key') outline.key = value;
    else if (name === 'source') outline.source = value;
    else if (name === 'occurred_at') outline.occurred_at = value;
    else unknownCount += 1;
  }
  return unknownCount;
}

function unknownFields(scanner: JsonScanner, json: Uint8Array, max: number): JsonProblem[] {
  const unknown: JsonProblem[] = [];
  for (let index = 0; index < scanner.fieldCount && unknown.length < max; index++) {
    const key = keyOf(json, scanner.fields[index]!);
    if (!Object.hasOwn(outline, key)) unknown.push(unknownField(key));
  }
  return unknown;
}

function kindOfValue(value: unknown): JsonKind {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value as JsonKind;
}
