import { expect, test } from 'vitest';
import { formatRfc3339, isRfc3339, parseRfc3339, parseStamp } from './rfc3339.ts';

/** As it stands in a record: with something before it and behind it. */
function readStamp(text: string): number | null {
  const bytes = Buffer.from(`"${text}"`);
  return parseStamp(bytes, 1, bytes.length - 1);
}

test.each([
  '2026-01-31T12:00:00Z',
  '2026-01-31t12:00:00.5z',
  '2024-02-29T23:59:59.123456789+05:30',
  '2000-02-29T00:00:00-23:59',
  '0099-12-31T00:00:00+00:00',
  '1969-07-20T20:17:40-00:00',
  '2016-12-31T23:59:60Z',
  '2017-01-01T05:29:60+05:30',
])('%s is a time', (text) => {
  expect(isRfc3339(text)).toBe(true);
});

test.each([
  '',
  '2026-01-31',
  '2026-01-31T12:00:00',
  '2026-01-31 12:00:00Z',
  '2026-1-31T12:00:00Z',
  '2026-02-30T12:00:00Z',
  '2026-02-29T12:00:00Z',
  '1900-02-29T12:00:00Z',
  '2026-04-31T12:00:00Z',
  '2026-13-01T12:00:00Z',
  '2026-00-10T12:00:00Z',
  '2026-01-00T12:00:00Z',
  '2026-01-31T24:00:00Z',
  '2026-01-31T12:60:00Z',
  '2026-01-31T12:00:60Z',
  '2026-01-31T12:00:00.Z',
  '2026-01-31T12:00Z',
  '2026-01-31T12:00:00+24:00',
  '2026-01-31T12:00:00+01:60',
  '2026-01-31T12:00:00+0100',
  ' 2026-01-31T12:00:00Z',
  '2026-01-31T12:00:00Z\n',
  '２026-01-31T12:00:00Z',
])('"%s" is none', (text) => {
  expect(parseRfc3339(text)).toBeNull();
  expect(readStamp(text)).toBeNull();
});

test('is read as milliseconds since the epoch', () => {
  for (const text of [
    '2026-01-31T12:00:00.123Z',
    '1969-12-31T23:59:59.999Z',
    '0001-01-01T00:00:00.000Z',
    '2024-02-29T00:00:00.000+05:30',
  ]) {
    expect(parseRfc3339(text), text).toBe(Date.parse(text));
    expect(readStamp(text), text).toBe(Date.parse(text));
    expect(readStamp(text), text).toBe(Date.parse(text));
  }
  expect(parseRfc3339('2026-01-31T12:00:00.1239Z')).toBe(Date.parse('2026-01-31T12:00:00.123Z'));
  expect(parseRfc3339('0050-01-01T00:00:00Z')).toBe(new Date('0050-01-01T00:00:00Z').getTime());
});

test('is read alike whether its second is that of the one before or not', () => {
  const stamps = ['2026-01-31T12:00:00.', '2016-12-31T23:59:60.', '1969-12-31T23:59:59.'].flatMap((second) =>
    ['000', '007', '123', '999'].map((ms) => `${second}${ms}Z`),
  );
  for (const text of [...stamps, ...stamps.toReversed()]) expect(readStamp(text), text).toBe(parseRfc3339(text));
  readStamp('2026-01-31T12:00:00.000Z');
  for (const end of ['1.0Z', '00:Z', '/00Z', '000z', '12Z', '1234Z', ' 12Z']) {
    const text = `2026-01-31T12:00:00.${end}`;
    expect(readStamp(text), text).toBe(parseRfc3339(text));
  }
});

test('is written alike whether its second is that of the one before or not', () => {
  const second = Date.UTC(2026, 0, 31, 12);
  for (const ms of [0, 9, 10, 99, 100, 999, 1_000, -1, 500, -1_999]) {
    expect(formatRfc3339(second + ms)).toBe(new Date(second + ms).toISOString());
    expect(formatRfc3339(ms)).toBe(new Date(ms).toISOString());
  }
  const year10000 = Date.UTC(10_000, 0);
  for (const ms of [year10000, year10000 + 1, second]) expect(formatRfc3339(ms)).toBe(new Date(ms).toISOString());
});

test('is written as UTC with milliseconds', () => {
  expect([0, 0, 1_700_000_000_123, -1].map(formatRfc3339)).toEqual([
    '1970-01-01T00:00:00.000Z',
    '1970-01-01T00:00:00.000Z',
    '2023-11-14T22:13:20.123Z',
    '1969-12-31T23:59:59.999Z',
  ]);
});
