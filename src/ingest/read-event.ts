import { hash } from 'node:crypto';
import type { EventEnvelope } from '../domain/event.ts';
import { idempotentEventId, newEventId, resolveEventId } from '../domain/identity.ts';
import { type JsonProblem, violationProblems } from '../domain/json-problem.ts';
import type { JsonKind, JsonScanner, ScannedField } from '../domain/json-scan.ts';
import { unquote, withoutSigns } from '../domain/json-text.ts';
import { limits } from '../domain/limits.ts';
import {
  type EventOutline,
  type FieldName,
  fieldNames,
  isValidOutline,
  outlineProblems,
  unknownField,
} from './field-problems.ts';

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
const found: Partial<Record<FieldName, ScannedField>> = {};

/**
 * The object that the scanner has just read, from start to end of the text → an event, or everything that is wrong with it.
 * @param receivedAt milliseconds since the epoch
 */
export function readEvent(
  scanner: JsonScanner,
  text: string,
  start: number,
  end: number,
  receivedAt: number,
  ids: IdSource,
): EventEnvelope | readonly JsonProblem[] {
  const unknown = outlineFields(scanner, text);
  const isValid = isValidOutline(outline);
  if (!isValid || unknown || scanner.violations.length > 0) {
    return [
      ...(unknown ?? []),
      ...(isValid ? [] : outlineProblems((name) => found[name]!.kind)),
      ...(scanner.violations.length > 0 ? violationProblems(scanner, text, start) : []),
    ];
  }
  const payload = found.payload!;
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

/** Fills `outline` and `found`; of a duplicate key the last one counts. @returns problems of unknown fields, if any */
function outlineFields(scanner: JsonScanner, text: string): JsonProblem[] | null {
  for (const name of fieldNames) {
    outline[name] = undefined;
    found[name] = undefined;
  }
  let unknown: JsonProblem[] | null = null;
  for (let index = 0; index < scanner.fieldCount; index++) {
    const field = scanner.fields[index]!;
    const key = unquote(text.slice(field.keyStart, field.keyEnd), field.keyEscaped);
    const name = nameOf(key);
    if (name === null) {
      unknown ??= [];
      if (unknown.length < limits.problemsListedMax) unknown.push(unknownField(key));
      continue;
    }
    found[name] = field;
    outline[name] =
      field.kind === 'string' ? unquote(text.slice(field.start, field.end), field.escaped) : standIns[field.kind];
  }
  return unknown;
}

function nameOf(key: string): FieldName | null {
  switch (key) {
    case 'event_type':
    case 'payload':
    case 'id':
    case 'occurred_at':
    case 'source':
    case 'key':
      return key;
    default:
      return null;
  }
}
