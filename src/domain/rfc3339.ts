import { utf8Text } from './utf8.ts';

/**
 * Times as RFC 3339 has them, with dates that exist: `2026-02-30T00:00:00Z` is refused, which Date would turn into
 * March.
 */

const form = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

export function isRfc3339(text: string): boolean {
  return parseRfc3339(text) !== null;
}

/** @returns milliseconds since the epoch, cut to whole ones, or null */
export function parseRfc3339(text: string): number | null {
  const match = form.exec(text);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return null;
  if (hour > 23 || minute > 59 || second > 60) return null;
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (offsetHours > 23 || offsetMinutes > 59) return null;
  const offset = (match[8] === '-' ? -1 : 1) * (offsetHours * 60 + offsetMinutes);
  // A leap second can only be the last second of a UTC day.
  if (second === 60 && (((hour * 60 + minute - offset) % 1440) + 1440) % 1440 !== 1439) return null;
  const millisecond = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const date = new Date(0);
  // Not Date.UTC: that takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute - offset, second, millisecond);
  return date.getTime();
}

function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : monthDays[month - 1]!;
}

/** Of the stamp that was written last: its second, and its text up to the milliseconds. Neighbours share them. */
let writtenSecond = Number.NaN;
let writtenText = '';

/** UTC with milliseconds. A fifth of toISOString's cost within the second of the last one. */
export function formatRfc3339(ms: number): string {
  const rest = ms - writtenSecond;
  if (rest >= 0 && rest < 1_000 && Number.isInteger(rest)) {
    return `${writtenText}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
  }
  const text = new Date(ms).toISOString();
  // Years of more than four digits are written in another form.
  writtenSecond = text.length === 24 ? Math.floor(ms / 1_000) * 1_000 : Number.NaN;
  writtenText = text.slice(0, 20);
  return text;
}

/** The same of the stamp that was read last, as bytes. */
let readSecond = 0;
let readBytes = Buffer.from('1970-01-01T00:00:00.');
const stampLength = 24;
const zeroDigit = 0x30;

/**
 * parseRfc3339 for the stamps of a log: without a text of its own for `…:SS.mmmZ` within the second of the last one.
 * @param start where it begins in the bytes, and `end` where it ends
 */
export function parseStamp(bytes: Uint8Array, start: number, end: number): number | null {
  if (end - start === stampLength && bytes[end - 1] === 0x5a && hasReadSecond(bytes, start)) {
    const hundreds = bytes[start + 20]! - zeroDigit;
    const tens = bytes[start + 21]! - zeroDigit;
    const ones = bytes[start + 22]! - zeroDigit;
    const areDigits = hundreds >= 0 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9;
    return areDigits ? readSecond + hundreds * 100 + tens * 10 + ones : null;
  }
  const text = utf8Text(bytes, start, end);
  const ms = parseRfc3339(text);
  if (ms === null || text.length !== stampLength || text[19] !== '.' || text[23] !== 'Z') return ms;
  readSecond = ms - Number(text.slice(20, 23));
  readBytes = Buffer.from(text.slice(0, 20));
  return ms;
}

function hasReadSecond(bytes: Uint8Array, start: number): boolean {
  for (let nth = readBytes.length - 1; nth >= 0; nth -= 1) if (bytes[start + nth] !== readBytes[nth]) return false;
  return true;
}
