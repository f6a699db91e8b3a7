import { utf8Text } from './utf8.ts';

/** Readings of JSON text that a scan has found to be well-formed. Positions are indices of bytes. */

/** A path is for a person to find the place; a key may be as long as the event itself. */
const pathCharactersMax = 500;

/**
 * JSON pointers (RFC 6901) to the values or keys that the positions belong to, each `prefix` + the way from the value
 * at `start`. One pass for all of them.
 * @param positions ascending
 */
export function jsonPointers(json: Uint8Array, start: number, positions: readonly number[], prefix = ''): string[] {
  const pointers: string[] = [];
  const steps: (string | number)[] = [];
  let isKeyNext = false;
  for (let at = start; at < json.length && pointers.length < positions.length; ) {
    const code = json[at];
    const tokenEnd = code === 0x22 ? stringEnd(json, at) : at + 1;
    if (code === 0x22 && isKeyNext) {
      steps[steps.length - 1] = keyText(utf8Text(json, at, tokenEnd));
      isKeyNext = false;
    }
    while (pointers.length < positions.length && positions[pointers.length]! < tokenEnd) {
      pointers.push(pointer(prefix, steps));
    }
    if (code === 0x7b) {
      steps.push('');
      isKeyNext = true;
    } else if (code === 0x5b) steps.push(0);
    else if (code === 0x7d || code === 0x5d) steps.pop();
    else if (code === 0x2c) {
      const last = steps[steps.length - 1];
      if (typeof last === 'number') steps[steps.length - 1] = last + 1;
      else isKeyNext = true;
    }
    if (code === 0x7d) isKeyNext = false;
    at = tokenEnd;
  }
  return pointers;
}

function pointer(prefix: string, steps: readonly (string | number)[]): string {
  let path = prefix;
  for (const step of steps) {
    path += `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (path.length > pathCharactersMax) return `${path.slice(0, pathCharactersMax)}…`;
  }
  return path;
}

/** A key with characters that a text column or a terminal can't hold is shown as it was sent, escapes and all. */
function keyText(token: string): string {
  const key = unquote(token, token.includes('\\'));
  return key.includes('\u0000') || !key.isWellFormed() ? token.slice(1, -1) : key;
}

/** @param at position of the opening quote @returns position after the closing one */
function stringEnd(json: Uint8Array, at: number): number {
  let end = at + 1;
  while (json[end] !== 0x22) end += json[end] === 0x5c ? 2 : 1;
  return end + 1;
}

/** The value of a string token. */
function unquote(token: string, escaped: boolean): string {
  return escaped ? (JSON.parse(token) as string) : token.slice(1, -1);
}

/** The same of a token that stands from start to end. */
export function stringAt(json: Uint8Array, start: number, end: number, escaped: boolean): string {
  return escaped ? unquote(utf8Text(json, start, end), true) : utf8Text(json, start + 1, end - 1);
}

/** The token of a string. */
export function quoted(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x22 || code === 0x5c || code > 0x7e) return JSON.stringify(value);
  }
  return `"${value}"`;
}

/**
 * Text from start to end without the minus signs at these positions: -0 is 0. Positions outside the range don't count.
 */
export function withoutSigns(json: Uint8Array, start: number, end: number, positions: readonly number[]): string {
  let result = '';
  let from = start;
  for (const at of positions) {
    if (at < start || at >= end) continue;
    result += utf8Text(json, from, at);
    from = at + 1;
  }
  return result + utf8Text(json, from, end);
}

/** The start of a line, where it is known already. */
export interface LineStart {
  /** From 1. */
  readonly line: number;
  /** Index of its first byte. */
  readonly start: number;
}

const newline = 0x0a;
const firstLine: LineStart = { line: 1, start: 0 };

/**
 * Both from 1; the column in characters.
 * @param at index of a byte
 * @param from what to count lines from: of a long text with an error in every line, the way from its start is too long
 */
export function lineAndColumn(
  json: Uint8Array,
  at: number,
  from: LineStart = firstLine,
): { readonly line: number; readonly column: number } {
  let { line, start: lineStart } = from;
  for (let next = json.indexOf(newline, lineStart); next >= 0 && next < at; next = json.indexOf(newline, lineStart)) {
    line += 1;
    lineStart = next + 1;
  }
  return { line, column: utf8Text(json, lineStart, at).length + 1 };
}
