import { limits } from '../domain/limits.ts';
import { ProblemError, type ProblemItem } from './problems.ts';

/** What ajv tells of one violation, as far as it is used here (`verbose` is on, so the schema comes along). */
interface Violation {
  readonly keyword: string;
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly message?: string;
  readonly parentSchema?: {
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly enum?: readonly unknown[];
  };
}

const placeNames: Readonly<Record<string, string>> = {
  querystring: '/query',
  params: '/path',
  headers: '/headers',
  body: '',
};

/** The problem of an error that Fastify's validation threw, with everything that is wrong at once; null of others. */
export function validationProblem(error: Error): ProblemError | null {
  const { validation, validationContext } = error as { validation?: readonly Violation[]; validationContext?: string };
  if (!Array.isArray(validation)) return null;
  const place = placeNames[validationContext ?? 'body'] ?? '';
  const errors = collect(validation, place);
  return new ProblemError('invalid_request', summaryOf(errors), {
    errors: errors.slice(0, limits.problemsListedMax),
    cause: error,
  });
}

/** A sentence for people who read no further than `detail`. */
export function summaryOf(errors: readonly ProblemItem[]): string {
  const [first] = errors;
  return errors.length === 1 && first ? `${first.path}: ${first.message}` : `${errors.length} problems, see errors.`;
}

function collect(violations: readonly Violation[], place: string): ProblemItem[] {
  const items: ProblemItem[] = [];
  const alternatives = new Map<string, string[]>();
  for (const violation of violations) {
    // A union of constants reports every branch and then itself; one item that lists them all says more.
    if (violation.keyword === 'const') {
      const allowed = alternatives.get(violation.instancePath) ?? [];
      allowed.push(String(violation.params.allowedValue));
      alternatives.set(violation.instancePath, allowed);
    } else if (violation.keyword === 'anyOf') {
      const allowed = alternatives.get(violation.instancePath);
      const message = allowed ? `must be one of ${allowed.join(', ')}` : 'has none of the allowed forms';
      items.push({ path: place + violation.instancePath, code: 'invalid_value', message });
    } else {
      items.push(item(violation, place));
    }
  }
  return items;
}

function item(violation: Violation, place: string): ProblemItem {
  const path = place + violation.instancePath;
  const { params } = violation;
  switch (violation.keyword) {
    case 'additionalProperties': {
      const name = String(params.additionalProperty);
      const known = Object.keys(violation.parentSchema?.properties ?? {});
      const list = known.length > 0 ? `known: ${known.join(', ')}` : 'none is taken';
      const code = place === '/query' ? 'unknown_parameter' : 'unknown_field';
      return { path: `${path}/${escapePointer(name)}`, code, message: `is not known here; ${list}` };
    }
    case 'required':
      return {
        path: `${path}/${escapePointer(String(params.missingProperty))}`,
        code: 'missing',
        message: 'is required',
      };
    case 'enum':
      return {
        path,
        code: 'invalid_value',
        message: `must be one of ${(params.allowedValues as unknown[]).join(', ')}`,
      };
    case 'format':
      return {
        path,
        code: 'invalid_value',
        message: 'must be a time with offset such as 2026-01-31T12:00:00Z (in an address, write + as %2B)',
      };
    default:
      return { path, code: 'invalid_value', message: violation.message ?? 'is not valid' };
  }
}

/** RFC 6901. */
export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
