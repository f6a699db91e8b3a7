import { expect, it } from 'vitest';
import { formatDuration, formatLag, formatMoment, formatSecond, formatStep, formatZone, stepLength } from './times.ts';

it('leaves the day out today, and the year within the year', () => {
  const now = new Date(2026, 10, 23, 12, 0, 0).getTime();
  const at = (...parts: [number, number, number, number, number, number, number]) => new Date(...parts).toISOString();
  expect(formatMoment(at(2026, 10, 23, 9, 5, 7, 41), now)).toBe('09:05:07.041');
  expect(formatMoment(at(2026, 10, 21, 0, 5, 7, 0), now)).toBe('21 Nov 00:05:07.000');
  expect(formatSecond(at(2026, 10, 21, 0, 5, 7, 0), now)).toBe('21 Nov 00:05:07');
  expect(formatMoment(at(2025, 0, 2, 9, 5, 7, 999), now)).toBe('2 Jan 2025 09:05:07.999');
});

it('tells the day and the time zone where it stands alone', () => {
  const at = new Date(2026, 6, 1, 9, 5, 7, 41);
  expect(formatMoment(at.toISOString(), null)).toBe(`1 Jul 2026 09:05:07.041 ${formatZone(-at.getTimezoneOffset())}`);
});

it.each([
  [0, 'UTC'],
  [60, 'UTC+1'],
  [345, 'UTC+5:45'],
  [-150, 'UTC-2:30'],
])('%d minutes ahead is %s', (aheadMinutes, text) => expect(formatZone(aheadMinutes)).toBe(text));

it.each([
  [-5, '0 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [7_200_000, '2 h'],
  [432_000_000, '5 d'],
])('%d ms is %s', (durationMs, text) => expect(formatDuration(durationMs)).toBe(text));

it.each([
  [0, '0 s'],
  [0.02, '0.1 s'],
  [4.26, '4.3 s'],
  [75, '1 min'],
])('a lag of %d s is %s', (lagSeconds, text) => expect(formatLag(lagSeconds)).toBe(text));

it.each([
  [10, '10 seconds', '14:03:20'],
  [60, '1 minute', '14:03'],
  [900, '15 minutes', '14:03'],
  [3_600, '1 hour', '23 Nov 14:03'],
])('a step of %d s lasts %s and begins at %s', (seconds, length, begin) => {
  expect(stepLength(seconds)).toBe(length);
  expect(formatStep(new Date(2026, 10, 23, 14, 3, 20).getTime(), seconds)).toBe(begin);
});
