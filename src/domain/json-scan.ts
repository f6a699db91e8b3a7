import { isOutOfRange } from './json-number.ts';
import { expectedAt, type JsonSyntaxError } from './json-syntax-error.ts';
import { limits } from './limits.ts';
import { latin1Text } from './utf8.ts';

/**
 * One pass over JSON text (RFC 8259, strictly) as the bytes that it came as: where the top-level fields of an event
 * stand, and whether its values are ones that every store and client can hold. Nothing is built, nothing recurses, and
 * numbers are never turned into doubles: their digits stay as they were sent. docs/decisions/0003-json-text.md says why
 * this is not JSON.parse.
 *
 * Whether the bytes are UTF-8 is not judged here: inside of strings those past ASCII stand for themselves, elsewhere
 * they break the grammar.
 *
 * What breaks the grammar ends the scan (`syntaxError`). What breaks a limit is noted in `violations` and the scan goes
 * on, so that all of them can be told at once and the neighbours of a bad event are still found.
 */
const jsonKinds = ['object', 'array', 'string', 'number', 'boolean', 'null'] as const;
export type JsonKind = (typeof jsonKinds)[number];

export type ViolationCode = 'nested_too_deep' | 'number_out_of_range' | 'nul_character' | 'lone_surrogate';

export interface Violation {
  readonly code: ViolationCode;
  /** Index of a byte that belongs to the offending value or key. */
  readonly at: number;
}

/**
 * A field of the object that was scanned last. Positions are indices of bytes; a string's range includes its quotes.
 */
export interface ScannedField {
  keyStart: number;
  keyEnd: number;
  /** A key or string without escapes is its own value, from start + 1 to end − 1. */
  keyEscaped: boolean;
  kind: JsonKind;
  start: number;
  end: number;
  escaped: boolean;
}

export interface JsonScanner {
  /** Of the last value, if that was an object: in order, duplicates included. Only the first `fieldCount` are valid. */
  readonly fields: readonly ScannedField[];
  readonly fieldCount: number;
  /** Of the last scan, at most limits.problemsListedMax. */
  readonly violations: readonly Violation[];
  /** Positions of the minus signs of numbers that are zero, of the last scan. */
  readonly negativeZeros: readonly number[];
  /** Of the last scan that answered −1. */
  readonly syntaxError: JsonSyntaxError;
  /** Whether the last scan met no byte past ASCII: then what it scanned is UTF-8. */
  readonly isAscii: boolean;
  /** Scans the value, of any kind, that begins at `start`. @returns the position after it, or −1 at a syntax error */
  value(json: Uint8Array, start: number, end: number): number;
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
const point = 0x2e;
const plus = 0x2b;
const letterE = 0x65;
const letterU = 0x75;
/** What a letter in upper case lacks. */
const lowerCase = 0x20;

const fieldsKept = 64;

/** What a byte is inside of a string. */
const plain = 1;
const pastAscii = 2;
/**
 * A table of all of them, since the branches that it replaces are ones that a processor can't foresee: letter, digit,
 * letter. 0 for what does not stand for itself.
 */
const inString = new Uint8Array(256).fill(plain);
inString.fill(0, 0, 0x20);
inString.fill(pastAscii, 0x80);
inString[quote] = 0;
inString[backslash] = 0;

/** 1 for what may stand behind a backslash, besides `u`. */
const isShortEscape = new Uint8Array(256);
for (const byte of Buffer.from('"\\/bfnrt')) isShortEscape[byte] = 1;

const words = { true: Buffer.from('true'), false: Buffer.from('false'), null: Buffer.from('null') };

export function skipSpace(json: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const byte = json[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at;
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
  /** Whether the last string had an escape in it. */
  let escaped = false;
  let isAscii = true;
  /** One byte an open container: 1 object, 0 array. */
  let containers = new Uint8Array(256);

  function fail(json: Uint8Array, at: number, end: number, expected: string): -1 {
    syntaxError = expectedAt(json, Math.min(at, end), end, expected);
    return -1;
  }

  function violate(code: ViolationCode, at: number): void {
    if (violations.length < limits.problemsListedMax) violations.push({ code, at });
  }

  /** @param start position after the opening quote @returns position after the closing one */
  function string(json: Uint8Array, start: number, end: number): number {
    escaped = false;
    let at = start;
    for (;;) {
      while (at < end && inString[json[at]!] === plain) at += 1;
      if (at >= end) return fail(json, end, end, 'the closing quote of a string');
      const byte = json[at]!;
      if (byte === quote) return at + 1;
      if (inString[byte] === pastAscii) {
        isAscii = false;
        at += 1;
      } else if (byte === backslash) {
        escaped = true;
        at = escapeSequence(json, at, end);
        if (at < 0) return -1;
      } else return fail(json, at, end, 'control characters in strings to be escaped');
    }
  }

  /** @param at position of the backslash */
  function escapeSequence(json: Uint8Array, at: number, end: number): number {
    if (at + 1 >= end) return fail(json, end, end, 'the closing quote of a string');
    const byte = json[at + 1]!;
    if (byte !== letterU) {
      if (isShortEscape[byte] === 1) return at + 2;
      return fail(json, at + 1, end, 'one of "\\/bfnrtu after a backslash');
    }
    const unit = hexUnit(json, at + 2, end);
    if (unit < 0) return fail(json, at + 2, end, 'four hexadecimal digits after \\u');
    if (unit === 0) violate('nul_character', at);
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    const isPair = unit <= 0xdbff && at + 12 <= end && json[at + 6] === backslash && json[at + 7] === letterU;
    const low = isPair ? hexUnit(json, at + 8, end) : -1;
    if (low >= 0xdc00 && low <= 0xdfff) return at + 12;
    violate('lone_surrogate', at);
    return at + 6;
  }

  function number(json: Uint8Array, start: number, end: number): number {
    let at = start;
    if (json[at] === minus) at += 1;
    const integer = at;
    at = digits(json, at, end);
    if (at === integer) return fail(json, at, end, 'a digit');
    if (json[integer] === zero && at > integer + 1)
      return fail(json, integer + 1, end, 'no digit after a leading zero');
    let suspect = at - integer > 308;
    if (at < end && json[at] === point) {
      const fraction = at + 1;
      at = digits(json, fraction, end);
      suspect ||= at - fraction > limits.numberDecimalsMax;
      if (at === fraction) return fail(json, at, end, 'a digit after the decimal point');
    }
    if (at < end && (json[at]! | lowerCase) === letterE) {
      suspect = true;
      at += 1;
      const sign = at < end ? json[at]! : 0;
      if (sign === minus || sign === plus) at += 1;
      const exponent = at;
      at = digits(json, exponent, end);
      if (at === exponent) return fail(json, at, end, 'a digit in the exponent');
    }
    if (suspect && isOutOfRange(latin1Text(json, start, at))) violate('number_out_of_range', start);
    if (integer > start && json[integer] === zero && isZero(json, integer, at)) negativeZeros.push(start);
    return at;
  }

  function literal(json: Uint8Array, start: number, end: number, word: Uint8Array): number {
    const after = start + word.length;
    let isWord = after <= end;
    for (let nth = 1; isWord && nth < word.length; nth += 1) isWord = json[start + nth] === word[nth];
    return isWord ? after : fail(json, start, end, 'a JSON value');
  }

  /** A value that is no container. */
  function scalar(json: Uint8Array, at: number, end: number, code: number): number {
    if (code === quote) return string(json, at + 1, end);
    if ((code >= zero && code <= nine) || code === minus) return number(json, at, end);
    if (code === 0x74) return literal(json, at, end, words.true);
    if (code === 0x66) return literal(json, at, end, words.false);
    if (code === 0x6e) return literal(json, at, end, words.null);
    return fail(json, at, end, 'a JSON value');
  }

  /** @returns position of the value after a key and its colon */
  function key(json: Uint8Array, start: number, end: number): number {
    let at = skipSpace(json, start, end);
    if (at >= end || json[at] !== quote) return fail(json, at, end, 'a key in double quotes');
    at = string(json, at + 1, end);
    if (at < 0) return -1;
    at = skipSpace(json, at, end);
    if (at >= end || json[at] !== colon) return fail(json, at, end, '":" after a key');
    return skipSpace(json, at + 1, end);
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
  function anyValue(json: Uint8Array, start: number, end: number): number {
    let depth = 0;
    let at = start;
    for (;;) {
      const code = at < end ? json[at]! : 0;
      if (code === openBrace || code === openBracket) {
        const isObject = code === openBrace;
        push(depth, isObject, at);
        at = skipSpace(json, at + 1, end);
        if (at >= end || json[at]! !== (isObject ? closeBrace : closeBracket)) {
          depth += 1;
          if (isObject) at = key(json, at, end);
          if (at < 0) return -1;
          continue;
        }
        at += 1;
      } else {
        at = scalar(json, at, end, code);
        if (at < 0) return -1;
      }
      // After a value: close containers until one goes on.
      for (;;) {
        if (depth === 0) return at;
        at = skipSpace(json, at, end);
        const isObject = containers[depth - 1] === 1;
        const next = at < end ? json[at]! : 0;
        if (next === comma) {
          at = isObject ? key(json, at + 1, end) : skipSpace(json, at + 1, end);
          if (at < 0) return -1;
          break;
        }
        if (next !== (isObject ? closeBrace : closeBracket)) {
          return fail(json, at, end, isObject ? '"," or "}"' : '"," or "]"');
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
  function fieldsOf(json: Uint8Array, start: number, end: number): number {
    let at = skipSpace(json, start + 1, end);
    if (at < end && json[at] === closeBrace) return at + 1;
    for (;;) {
      const keyStart = skipSpace(json, at, end);
      if (keyStart >= end || json[keyStart] !== quote) return fail(json, keyStart, end, 'a key in double quotes');
      at = string(json, keyStart + 1, end);
      if (at < 0) return -1;
      const keyEnd = at;
      const keyEscaped = escaped;
      at = skipSpace(json, at, end);
      if (at >= end || json[at] !== colon) return fail(json, at, end, '":" after a key');
      const valueStart = skipSpace(json, at + 1, end);
      at = anyValue(json, valueStart, end);
      if (at < 0) return -1;
      const field = fieldAt(fieldCount);
      fieldCount += 1;
      field.keyStart = keyStart;
      field.keyEnd = keyEnd;
      field.keyEscaped = keyEscaped;
      field.kind = jsonKindAt(json, valueStart);
      field.start = valueStart;
      field.end = at;
      field.escaped = escaped;
      at = skipSpace(json, at, end);
      const next = at < end ? json[at]! : 0;
      if (next === closeBrace) return at + 1;
      if (next !== comma) return fail(json, at, end, '"," or "}"');
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
    get isAscii() {
      return isAscii;
    },
    get syntaxError() {
      return syntaxError;
    },
    value(json, start, end) {
      isAscii = true;
      fieldCount = 0;
      // An object may have had a million.
      if (fields.length > fieldsKept) fields.length = fieldsKept;
      if (violations.length > 0) violations.length = 0;
      if (negativeZeros.length > 0) negativeZeros.length = 0;
      const isObject = start < end && json[start] === openBrace;
      return isObject ? fieldsOf(json, start, end) : anyValue(json, start, end);
    },
  };
}

export function jsonKindAt(json: Uint8Array, at: number): JsonKind {
  const code = json[at]!;
  if (code === quote) return 'string';
  if (code === openBrace) return 'object';
  if (code === openBracket) return 'array';
  if (code === 0x74 || code === 0x66) return 'boolean';
  return code === 0x6e ? 'null' : 'number';
}

function digits(json: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const code = json[at]!;
    if (code < zero || code > nine) break;
    at += 1;
  }
  return at;
}

/** Whether the number without its sign has no digit but 0 before its exponent. */
function isZero(json: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = json[at]!;
    if (code > zero && code <= nine) return false;
    if ((code | lowerCase) === letterE) return true;
  }
  return true;
}

function hexUnit(json: Uint8Array, start: number, end: number): number {
  if (start + 4 > end) return -1;
  let unit = 0;
  for (let at = start; at < start + 4; at++) {
    const byte = json[at]!;
    const code = byte | lowerCase;
    if (byte >= zero && byte <= nine) unit = unit * 16 + byte - zero;
    else if (code >= 0x61 && code <= 0x66) unit = unit * 16 + code - 0x57;
    else return -1;
  }
  return unit;
}
