import { limits } from './limits.ts';

/**
 * Numbers as JSON text: exact decimals of any precision and any exponent, never doubles. A number is digits ×
 * 10^exponent with neither a leading nor a trailing zero in digits; of zero, digits is empty.
 */
interface Decimal {
  readonly negative: boolean;
  readonly digits: string;
  /** BigInt, since an exponent may have any number of digits itself. */
  readonly exponent: bigint;
}

interface Token {
  readonly negative: boolean;
  readonly integer: string;
  readonly fraction: string;
  /** With its sign, if it has one. */
  readonly exponent: string;
}

/** By hand, not by a regular expression: those keep a stack that a number of some million digits overflows. */
function split(token: string): Token {
  const negative = token.startsWith('-');
  const mark = Math.max(token.indexOf('e'), token.indexOf('E'));
  const mantissa = token.slice(negative ? 1 : 0, mark < 0 ? token.length : mark);
  const point = mantissa.indexOf('.');
  return {
    negative,
    integer: point < 0 ? mantissa : mantissa.slice(0, point),
    fraction: point < 0 ? '' : mantissa.slice(point + 1),
    exponent: mark < 0 ? '0' : token.slice(mark + 1),
  };
}

function decimalOf(token: string): Decimal {
  const { negative, integer, fraction, exponent } = split(token);
  const all = integer + fraction;
  const first = firstNonZero(all);
  if (first === all.length) return { negative: false, digits: '', exponent: 0n };
  let last = all.length;
  while (all[last - 1] === '0') last -= 1;
  return {
    negative,
    digits: all.slice(first, last),
    exponent: BigInt(exponent) - BigInt(fraction.length) + BigInt(all.length - last),
  };
}

function firstNonZero(digits: string): number {
  let first = 0;
  while (first < digits.length && digits[first] === '0') first += 1;
  return first;
}

/** Whether two number tokens name the same decimal: 1, 1.0 and 10e-1 do. */
export function sameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  const left = decimalOf(a);
  const right = decimalOf(b);
  return left.negative === right.negative && left.digits === right.digits && left.exponent === right.exponent;
}

/** Decimal exponent of limits.numberMagnitudeMax. */
const magnitudeExponent = 308;

/**
 * Whether the number lies outside ±1e308, compared as decimals: JSON.parse would round some of those back to it. Or has
 * more decimals, written out, than a store is to keep: PostgreSQL writes them out, and 260 KB of 1e-16383 became 475
 * MB.
 */
export function isOutOfRange(token: string): boolean {
  const { integer, fraction, exponent } = split(token);
  const all = integer + fraction;
  const first = firstNonZero(all);
  if (first === all.length) return false;
  if (fraction.length - Number(exponent) > limits.numberDecimalsMax) return true;
  // The number is d.ddd × 10^order. Its length in characters is far below 2^53, so an exponent that rounds is also
  // decided.
  const order = Number(exponent) + integer.length - 1 - first;
  if (order !== magnitudeExponent) return order > magnitudeExponent;
  return all[first] !== '1' || firstNonZero(all.slice(first + 1)) < all.length - first - 1;
}
