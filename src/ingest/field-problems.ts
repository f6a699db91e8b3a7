import type { ErrorObject, ValidateFunction } from 'ajv';
import { editDistance } from '../domain/edit-distance.ts';
import type { JsonProblem } from '../domain/json-problem.ts';
import type { JsonKind } from '../domain/json-scan.ts';
import { limits } from '../domain/limits.ts';
import { isRfc3339 } from '../domain/rfc3339.ts';
import { EventInput } from './event-input.ts';
import { createAjv } from './late-ajv.ts';

/**
 * An event as the validator sees it: its strings as they are, everything else as an empty value of the same kind. The
 * payload is never parsed; its own limits are the scanner's affair.
 */
export interface EventOutline {
  event_type: unknown;
  payload: unknown;
  id: unknown;
  occurred_at: unknown;
  source: unknown;
  key: unknown;
}

type FieldName = keyof EventOutline;
const fieldNames = Object.keys(EventInput.properties) as FieldName[];

let validator: ValidateFunction<EventOutline> | null = null;

function validate(outline: EventOutline): boolean {
  validator ??= createAjv().compile<EventOutline>(EventInput);
  return validator(outline);
}

export function isValidOutline(outline: EventOutline): boolean {
  return isPlainlyValid(outline) || validate(outline);
}

/**
 * What the schema surely takes, looked at by hand: the validator took 4 % of the time of taking in a batch. Whatever
 * has another kind of value, a longer string or an odd character is the validator's to judge.
 */
function isPlainlyValid({
  event_type: type,
  payload,
  id,
  occurred_at: occurredAt,
  source,
  key,
}: EventOutline): boolean {
  return (
    isShort(type, limits.eventTypeCharactersMax) &&
    isPrintableAscii(type) &&
    typeof payload === 'object' &&
    payload !== null &&
    !Array.isArray(payload) &&
    (id === undefined || isShort(id, limits.idCharactersMax)) &&
    (source === undefined || isShort(source, limits.sourceCharactersMax)) &&
    (key === undefined || isShort(key, limits.keyCharactersMax)) &&
    (occurredAt === undefined || (isShort(occurredAt, limits.occurredAtCharactersMax) && isRfc3339(occurredAt)))
  );
}

/** The schema counts code points, of which no string has more than units. */
function isShort(value: unknown, unitsMax: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= unitsMax;
}

function isPrintableAscii(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

/** Of the outline that was found invalid last. */
export function outlineProblems(kindOf: (name: FieldName) => JsonKind): JsonProblem[] {
  return (validator?.errors ?? []).map((error) => problemOf(error, kindOf));
}

function problemOf(error: ErrorObject, kindOf: (name: FieldName) => JsonKind): JsonProblem {
  if (error.keyword === 'required') {
    const name = error.params.missingProperty as string;
    return { path: `/${name}`, code: 'missing_field', message: `${name} is missing` };
  }
  const path = error.instancePath;
  const name = path.slice(1) as FieldName;
  const limit = error.params.limit as number;
  switch (error.keyword) {
    case 'type': {
      const wanted = error.params.type === 'object' ? 'a JSON object' : 'a string';
      return { path, code: 'wrong_type', message: `${name} must be ${wanted}, got ${kindOf(name)}` };
    }
    case 'minLength':
      return { path, code: 'too_short', message: `${name} must not be empty` };
    case 'maxLength':
      return { path, code: 'too_long', message: `${name} must have at most ${limit} characters` };
    case 'pattern':
      return { path, code: 'control_character', message: `${name} must not have control characters` };
    case 'format':
      return {
        path,
        code: 'invalid_time',
        message: `${name} must be an RFC 3339 time with an offset that exists, such as 2026-01-31T12:00:00Z`,
      };
    default:
      return { path, code: error.keyword, message: `${name} ${error.message}` };
  }
}

/** Names that other systems have for our fields. */
const aliases = new Map<string, FieldName>([
  ['type', 'event_type'],
  ['name', 'event_type'],
  ['event', 'event_type'],
  ['data', 'payload'],
  ['body', 'payload'],
  ['properties', 'payload'],
  ['time', 'occurred_at'],
  ['timestamp', 'occurred_at'],
  ['eventid', 'id'],
  ['uuid', 'id'],
  ['partitionkey', 'key'],
]);
const namesShownMax = 100;

export function unknownField(name: string): JsonProblem {
  const shown = name.length > namesShownMax ? `${name.slice(0, namesShownMax)}…` : name;
  const meant = nearestField(name);
  const hint = meant ? ` (did you mean "${meant}"?)` : '; what belongs to the event itself goes into payload';
  const path = `/${shown.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  return { path, code: 'unknown_field', message: `unknown field ${JSON.stringify(shown)}${hint}` };
}

function nearestField(name: string): FieldName | undefined {
  if (name.length > 20) return undefined;
  const plain = name.toLowerCase().replaceAll(/[^a-z]/g, '');
  const alias = aliases.get(plain);
  if (alias) return alias;
  return fieldNames.find((field) => {
    const target = field.replace('_', '');
    return editDistance(plain, target) <= (target.length > 4 ? 2 : target.length > 2 ? 1 : 0);
  });
}
