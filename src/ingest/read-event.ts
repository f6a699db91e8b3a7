import { hash } from 'node:crypto';
import type { EventEnvelope } from '../domain/event.ts';
import { idempotentEventId, newEventId, resolveEventId } from '../domain/identity.ts';
import { type JsonProblem, violationProblems } from '../domain/json-problem.ts';
import type { JsonKind, JsonScanner, ScannedField } from '../domain/json-scan.ts';
import { unquote, withoutSigns } from '../domain/json-text.ts';
import { type EventOutline, isValidOutline, outlineProblems, unknownField } from './field-problems.ts';

/** How events of one request that come without an id get theirs. */
export interface IdSource {
  /** @param text the event as it was sent */
  idFor(text: string, source: string | null): string;
}

export function createIdSource(now: number, owner: string, idempotencyKey: string | undefined): IdSource {
  if (idempotencyKey === undefined) return { idFor: (_text, source) => newEventId(now, source) };
  const seen = new Map<string, number>();
  return {
    idFor(text, source) {
      const bytesHash = hash('sha256', text);
      const n = seen.get(bytesHash) ?? 0;
      seen.set(bytesHash, n + 1);
      return idempotentEventId(owner, idempotencyKey, bytesHash, n, source);
    },
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
/** Where the payload that counts begins and ends. */
const payload = { start: 0, end: 0 };

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
 * The object that the scanner has just read, from start to end of the text → an event, or everything that is wrong with it.
 * @param receivedAt milliseconds since the epoch
 * @param problemsMax how many problems to list: paths and hints cost far more than finding that something is wrong
 */
export function readEvent(
  scanner: JsonScanner,
  text: string,
  start: number,
  end: number,
  receivedAt: number,
  ids: IdSource,
  problemsMax: number,
): EventEnvelope | Rejected {
  const unknownCount = outlineFields(scanner, text);
  const isValid = isValidOutline(outline);
  if (!isValid || unknownCount > 0 || scanner.violations.length > 0) {
    const invalid = isValid ? [] : outlineProblems((name) => kindOfValue(outline[name]));
    const left = problemsMax - invalid.length;
    const unknown = unknownCount > 0 ? unknownFields(scanner, text, left) : [];
    const violations =
      scanner.violations.length > 0 ? violationProblems(scanner, text, start, Math.max(0, left - unknown.length)) : [];
    return {
      problems: [...invalid, ...unknown, ...violations],
      problemCount: invalid.length + unknownCount + scanner.violations.length,
    };
  }
  const source = (outline.source ?? null) as string | null;
  const sentId = outline.id as string | undefined;
  const identity =
    sentId === undefined
      ? { id: ids.idFor(text.slice(start, end), source), clientId: null }
      : resolveEventId({ id: sentId, source });
  return {
    id: identity.id,
    eventType: outline.event_type as string,
    clientId: identity.clientId,
    source,
    key: (outline.key ?? null) as string | null,
    occurredAt: (outline.occurred_at ?? null) as string | null,
    receivedAt,
    redriveOf: null,
    payloadJson:
      scanner.negativeZeros.length === 0
        ? text.slice(payload.start, payload.end)
        : withoutSigns(text, payload.start, payload.end, scanner.negativeZeros),
  };
}

/** Fills `outline`; of a duplicate key the last one counts. @returns how many fields are none of ours */
function outlineFields(scanner: JsonScanner, text: string): number {
  outline.event_type = undefined;
  outline.payload = undefined;
  outline.id = undefined;
  outline.occurred_at = undefined;
  outline.source = undefined;
  outline.key = undefined;
  let unknownCount = 0;
  for (let index = 0; index < scanner.fieldCount; index++) {
    const field = scanner.fields[index]!;
    const key = keyOf(text, field);
    const value =
      field.kind === 'string' ? unquote(text.slice(field.start, field.end), field.escaped) : standIns[field.kind];
    if (key === 'event_type') outline.event_type = value;
    else if (key === 'payload') {
      outline.payload = value;
      payload.start = field.start;
      payload.end = field.end;
    } else if (key === 'id') outline.id = value;
    else if (key === 'key') outline.key = value;
    else if (key === 'source') outline.source = value;
    else if (key === 'occurred_at') outline.occurred_at = value;
    else unknownCount += 1;
  }
  return unknownCount;
}

function unknownFields(scanner: JsonScanner, text: string, max: number): JsonProblem[] {
  const unknown: JsonProblem[] = [];
  for (let index = 0; index < scanner.fieldCount && unknown.length < max; index++) {
    const key = keyOf(text, scanner.fields[index]!);
    if (!Object.hasOwn(outline, key)) unknown.push(unknownField(key));
  }
  return unknown;
}

function keyOf(text: string, field: ScannedField): string {
  return unquote(text.slice(field.keyStart, field.keyEnd), field.keyEscaped);
}

function kindOfValue(value: unknown): JsonKind {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value as JsonKind;
}
