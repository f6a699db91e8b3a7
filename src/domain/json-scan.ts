import { isOutOfRange } from './json-number.ts';
import { expectedAt, type JsonSyntaxError } from './json-syntax-error.ts';
import { limits } from './limits.ts';

/**
 * One pass over JSON text (RFC 8259, strictly): where the top-level fields of an event stand, and whether its values are ones
 * that every store and client can hold. Nothing is built, nothing recurses, and numbers are never turned into doubles: their
 * digits stay as they were sent. docs/decisions/0003-json-text.md says why this is not JSON.parse.
 *
 * What breaks the grammar ends the scan (`syntaxError`). What breaks a limit is noted in `violations` and the scan goes on, so
 * that all of them can be told at once and the neighbours of a bad event are still found.
 */
export const jsonKinds = ['object', 'array', 'string', 'number', 'boolean', 'null'] as const;
export type JsonKind = (typeof jsonKinds)[number];

export type ViolationCode = 'nested_too_deep' | 'number_out_of_range' | 'nul_character' | 'lone_surrogate';

export interface Violation {
  readonly code: ViolationCode;
  /** Index of a character of the text that belongs to the offending value or key. */
  readonly at: number;
}

/** A field of the object that was scanned last. Positions are indices of the text; a string's range includes its quotes. */
export interface ScannedField {
  keyStart: number;
  keyEnd: number;
  /** A key or string without escapes is its own value: text.slice(start + 1, end - 1). */
  keyEscaped: boolean;
  kind: JsonKind;
  start: number;
  end: number;
  escaped: boolean;
}

export interface JsonScanner {
  /** Fields of the last object, in order, duplicates included. Only the first `fieldCount` are valid, until the next scan. */
  readonly fields: readonly ScannedField[];
  readonly fieldCount: number;
  /** Of the last scan, at most limits.problemsListedMax. */
  readonly violations: readonly Violation[];
  /** Positions of the minus signs of numbers that are zero, of the last scan. */
  readonly negativeZeros: readonly number[];
  /** Of the last scan that answered −1. */
  readonly syntaxError: JsonSyntaxError;
  /**
   * Scans one value of any kind.
   *
   * @param ascii the text as bytes, where each of its characters is one: strings are looked through there, in half the time
   * @returns the position after it, or −1 at a syntax error
   */
  value(text: string, start: number, end: number, ascii?: Uint8Array | null): number;
  /** Scans the object that starts at `start` and notes its fields. Otherwise as `value`. */
  object(text: string, start: number, end: number, ascii?: Uint8Array | null): number;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const minus = 0x2d;
const zero = 0x30;
const nine = 0x39;

/**
 * 1 for characters that stand for themselves in a string. A table of all of them, since the branches that it replaces are
 * ones that a processor can't foresee: letter, digit, letter.
 */
const plain = new Uint8Array(0x10000).fill(1);
plain.fill(0, 0, 0x20);
plain.fill(0, 0xd800, 0xe000);
plain[quote] = 0;
plain[backslash] = 0;

/** Where the first byte stands that does not stand for itself in a string. */
function plainEnd(ascii: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && plain[ascii[at]!] === 1) at += 1;
  return at;
}

export function skipSpace(text: string, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code > 0x20 || (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09)) return at;
    at += 1;
  }
  return at;
}

export function createJsonScanner(): JsonScanner {
  const fields: ScannedField[] = [];
  const violations: Violation[] = [];
  const negativeZeros: number[] = [];
  let syntaxError: JsonSyntaxError = { message: '', at: 0 };
  let fieldCount = 0;
  /** Of the text that is being scanned, or null. */
  let bytes: Uint8Array | null = null;
  /** Whether the last string had an escape in it. */
  let escaped = false;
  /** One byte an open container: 1 object, 0 array. */
  let containers = new Uint8Array(256);

  function fail(text: string, at: number, end: number, expected: string): -1 {
    syntaxError = expectedAt(text, Math.min(at, end), end, expected);
    return -1;
  }

  function violate(code: ViolationCode, at: number): void {
    if (violations.length < limits.problemsListedMax) violations.push({ code, at });
  }

  function begin(ascii: Uint8Array | null): void {
    bytes = ascii;
    if (violations.length > 0) violations.length = 0;
    if (negativeZeros.length > 0) negativeZeros.length = 0;
  }

  /** @param start position after the opening quote @returns position after the closing one */
  function string(text: string, start: number, end: number): number {
    escaped = false;
    let at = bytes === null ? start : plainEnd(bytes, start, end);
    while (at < end) {
      const code = text.charCodeAt(at);
      if (plain[code] === 1) at += 1;
      else if (code === quote) return at + 1;
      else if (code === backslash) {
        escaped = true;
        at = escapeSequence(text, at, end);
        if (at < 0) return -1;
      } else if (code < 0x20) return fail(text, at, end, 'control characters in strings to be escaped');
      else at = surrogate(text, at, end, code);
    }
    return fail(text, end, end, 'the closing quote of a string');
  }

  function surrogate(text: string, at: number, end: number, code: number): number {
    const next = code <= 0xdbff && at + 1 < end ? text.charCodeAt(at + 1) : 0;
    if (next >= 0xdc00 && next <= 0xdfff) return at + 2;
    violate('lone_surrogate', at);
    return at + 1;
  }

  /** @param at position of the backslash */
  function escapeSequence(text: string, at: number, end: number): number {
    if (at + 1 >= end) return fail(text, end, end, 'the closing quote of a string');
    const code = text.charCodeAt(at + 1);
    if (code !== 0x75) {
      if ('"\\/bfnrt'.includes(text[at + 1]!)) return at + 2;
      return fail(text, at + 1, end, 'one of "\\/bfnrtu after a backslash');
    }
    const unit = hexUnit(text, at + 2, end);
    if (unit < 0) return fail(text, at + 2, end, 'four hexadecimal digits after \\u');
    if (unit === 0) violate('nul_character', at);
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    const isPair =
      unit <= 0xdbff && at + 12 <= end && text.charCodeAt(at + 6) === backslash && text.charCodeAt(at + 7) === 0x75;
    const low = isPair ? hexUnit(text, at + 8, end) : -1;
    if (low >= 0xdc00 && low <= 0xdfff) return at + 12;
    violate('lone_surrogate', at);
    return at + 6;
  }

  function number(text: string, start: number, end: number): number {
    let at = start;
    if (text.charCodeAt(at) === minus) at += 1;
    const integer = at;
    at = digits(text, at, end);
    if (at === integer) return fail(text, at, end, 'a digit');
    if (text.charCodeAt(integer) === zero && at > integer + 1)
      return fail(text, integer + 1, end, 'no digit after a leading zero');
    let suspect = at - integer > 308;
    if (at < end && text.charCodeAt(at) === 0x2e) {
      const fraction = at + 1;
      at = digits(text, fraction, end);
      suspect ||= at - fraction > limits.numberDecimalsMax;
      if (at === fraction) return fail(text, at, end, 'a digit after the decimal point');
    }
    if (at < end && (text.charCodeAt(at) | 0x20) === 0x65) {
      suspect = true;
      at += 1;
      const sign = at < end ? text.charCodeAt(at) : 0;
      if (sign === minus || sign === 0x2b) at += 1;
      const exponent = at;
      at = digits(text, exponent, end);
      if (at === exponent) return fail(text, at, end, 'a digit in the exponent');
    }
    if (suspect && isOutOfRange(text.slice(start, at))) violate('number_out_of_range', start);
    if (integer > start && text.charCodeAt(integer) === zero && isZero(text, integer, at)) negativeZeros.push(start);
    return at;
  }

  function literal(text: string, start: number, end: number, word: string): number {
    if (start + word.length <= end && text.startsWith(word, start)) return start + word.length;
    return fail(text, start, end, 'a JSON value');
  }

  /** A value that is no container. */
  function scalar(text: string, at: number, end: number, code: number): number {
    if (code === quote) return string(text, at + 1, end);
    if ((code >= zero && code <= nine) || code === minus) return number(text, at, end);
    if (code === 0x74) return literal(text, at, end, 'true');
    if (code === 0x66) return literal(text, at, end, 'false');
    if (code === 0x6e) return literal(text, at, end, 'null');
    return fail(text, at, end, 'a JSON value');
  }

  /** @returns position of the value after a key and its colon */
  function key(text: string, start: number, end: number): number {
    let at = skipSpace(text, start, end);
    if (at >= end || text.charCodeAt(at) !== quote) return fail(text, at, end, 'a key in double quotes');
    at = string(text, at + 1, end);
    if (at < 0) return -1;
    at = skipSpace(text, at, end);
    if (at >= end || text.charCodeAt(at) !== colon) return fail(text, at, end, '":" after a key');
    return skipSpace(text, at + 1, end);
  }

  function push(depth: number, isObject: boolean, at: number): void {
    if (depth === containers.length) {
      const larger = new Uint8Array(depth * 2);
      larger.set(containers);
      containers = larger;
    }
    containers[depth] = isObject ? 1 : 0;
    if (depth === limits.payloadDepthMax) violate('nested_too_deep', at);
  }

  /** A value of any kind at exactly `start`; containers are kept on a stack of our own. */
  function anyValue(text: string, start: number, end: number): number {
    let depth = 0;
    let at = start;
    for (;;) {
      const code = at < end ? text.charCodeAt(at) : 0;
      if (code === openBrace || code === openBracket) {
        const isObject = code === openBrace;
        push(depth, isObject, at);
        at = skipSpace(text, at + 1, end);
        if (at >= end || text.charCodeAt(at) !== (isObject ? closeBrace : closeBracket)) {
          depth += 1;
          if (isObject) at = key(text, at, end);
          if (at < 0) return -1;
          continue;
        }
        at += 1;
      } else {
        at = scalar(text, at, end, code);
        if (at < 0) return -1;
      }
      // After a value: close containers until one goes on.
      for (;;) {
        if (depth === 0) return at;
        at = skipSpace(text, at, end);
        const isObject = containers[depth - 1] === 1;
        const next = at < end ? text.charCodeAt(at) : 0;
        if (next === comma) {
          at = isObject ? key(text, at + 1, end) : skipSpace(text, at + 1, end);
          if (at < 0) return -1;
          break;
        }
        if (next !== (isObject ? closeBrace : closeBracket)) {
          return fail(text, at, end, isObject ? '"," or "}"' : '"," or "]"');
        }
        depth -= 1;
        at += 1;
      }
    }
  }

  function fieldAt(index: number): ScannedField {
    const known = fields[index];
    if (known) return known;
    const made: ScannedField = {
      keyStart: 0,
      keyEnd: 0,
      keyEscaped: false,
      kind: 'null',
      start: 0,
      end: 0,
      escaped: false,
    };
    fields.push(made);
    return made;
  }

  /** The object's end, its fields noted. */
  function fieldsOf(text: string, start: number, end: number): number {
    fieldCount = 0;
    let at = skipSpace(text, start + 1, end);
    if (at < end && text.charCodeAt(at) === closeBrace) return at + 1;
    for (;;) {
      const keyStart = skipSpace(text, at, end);
      if (keyStart >= end || text.charCodeAt(keyStart) !== quote)
        return fail(text, keyStart, end, 'a key in double quotes');
      at = string(text, keyStart + 1, end);
      if (at < 0) return -1;
      const keyEnd = at;
      const keyEscaped = escaped;
      at = skipSpace(text, at, end);
      if (at >= end || text.charCodeAt(at) !== colon) return fail(text, at, end, '":" after a key');
      const valueStart = skipSpace(text, at + 1, end);
      at = anyValue(text, valueStart, end);
      if (at < 0) return -1;
      const field = fieldAt(fieldCount);
      fieldCount += 1;
      field.keyStart = keyStart;
      field.keyEnd = keyEnd;
      field.keyEscaped = keyEscaped;
      field.kind = jsonKindAt(text, valueStart);
      field.start = valueStart;
      field.end = at;
      field.escaped = escaped;
      at = skipSpace(text, at, end);
      const next = at < end ? text.charCodeAt(at) : 0;
      if (next === closeBrace) return at + 1;
      if (next !== comma) return fail(text, at, end, '"," or "}"');
      at += 1;
    }
  }

  return {
    fields,
    get fieldCount() {
      return fieldCount;
    },
    violations,
    negativeZeros,
    get syntaxError() {
      return syntaxError;
    },
    value(text, start, end, ascii = null) {
      begin(ascii);
      const at = anyValue(text, start, end);
      // A scanner lives as long as its process, and must not hold the last request's body.
      bytes = null;
      return at;
    },
    object(text, start, end, ascii = null) {
      begin(ascii);
      const at = fieldsOf(text, start, end);
      bytes = null;
      return at;
    },
  };
}

export function jsonKindAt(text: string, at: number): JsonKind {
  const code = text.charCodeAt(at);
  if (code === quote) return 'string';
  if (code === openBrace) return 'object';
  if (code === openBracket) return 'array';
  if (code === 0x74 || code === 0x66) return 'boolean';
  return code === 0x6e ? 'null' : 'number';
}

function digits(text: string, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code < zero || code > nine) break;
    at += 1;
  }
  return at;
}

/** Whether the number without its sign has no digit but 0 before its exponent. */
function isZero(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code > zero && code <= nine) return false;
    if ((code | 0x20) === 0x65) return true;
  }
  return true;
}

function hexUnit(text: string, start: number, end: number): number {
  if (start + 4 > end) return -1;
  let unit = 0;
  for (let at = start; at < start + 4; at++) {
    const code = text.charCodeAt(at) | 0x20;
    if (code >= zero && code <= nine && text.charCodeAt(at) <= nine) unit = unit * 16 + code - zero;
    else if (code >= 0x61 && code <= 0x66) unit = unit * 16 + code - 0x57;
    else return -1;
  }
  return unit;
}
