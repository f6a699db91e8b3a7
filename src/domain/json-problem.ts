import type { JsonScanner, ViolationCode } from './json-scan.ts';
import { jsonPointers, type LineStart, lineAndColumn } from './json-text.ts';
import { limits } from './limits.ts';

/** One of several things that are wrong with a text: where, which, and what to do. */
export interface JsonProblem {
  /** A JSON pointer; empty for the whole. */
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

const violationMessages: Record<ViolationCode, string> = {
  nested_too_deep: `nested deeper than ${limits.payloadDepthMax} levels`,
  number_out_of_range: 'a number outside ±1e308, or with more than 400 decimals; send it as a string',
  nul_character: '\\u0000, which text columns can not hold; leave it out or encode it',
  lone_surrogate: 'half of a surrogate pair, which is no character; send both halves or neither',
};

/** The limits that the value scanned last has broken, each with its path; the first `max` of them. */
export function violationProblems(
  scanner: JsonScanner,
  json: Uint8Array,
  start: number,
  max: number = limits.problemsListedMax,
): JsonProblem[] {
  const listed = scanner.violations.slice(0, max);
  const positions = listed.map(({ at }) => at);
  const paths = jsonPointers(json, start, positions);
  return listed.map(({ code }, index) => ({ path: paths[index]!, code, message: violationMessages[code] }));
}

/** Where the last scan ended and why, for a person. */
export function syntaxMessage(
  { syntaxError }: Pick<JsonScanner, 'syntaxError'>,
  json: Uint8Array,
  from?: LineStart,
): string {
  const { line, column } = lineAndColumn(json, syntaxError.at, from);
  return `${syntaxError.message} at line ${line}, column ${column} (byte ${syntaxError.at})`;
}
