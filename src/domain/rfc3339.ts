/** Times as RFC 3339 has them, with dates that exist: `2026-02-30T00:00:00Z` is refused, which Date would turn into March. */

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

let lastMs = Number.NaN;
let lastText = '';

/** UTC with milliseconds. Remembers the last one: what arrives together carries one stamp. */
export function formatRfc3339(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

let parsedText = '1970-01-01T00:00:00.000Z';
let parsedMs = 0;

/** parseRfc3339 for the stamps of a log, where neighbours often share theirs. */
export function parseStamp(text: string): number | null {
  if (text === parsedText) return parsedMs;
  const ms = parseRfc3339(text);
  if (ms !== null) {
    parsedMs = ms;
    parsedText = text;
  }
  return ms;
}
