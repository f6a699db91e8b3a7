import { expect, it } from 'vitest';
import { fromLocalField, timeFilter, toLocalField } from './time-spans.ts';

const now = Date.UTC(2026, 10, 23, 12, 0, 0);

it('counts a span back from now', () => {
  expect(timeFilter(new URLSearchParams('last=1h&from=2020-01-01T00:00:00Z'), now)).toEqual({
    from: '2026-11-23T11:00:00.000Z',
  });
});

it('takes the times of the address where there is no span that it knows', () => {
  expect(timeFilter(new URLSearchParams('last=2h&from=2026-11-01T00:00:00.000Z'), now)).toEqual({
    from: '2026-11-01T00:00:00.000Z',
    to: undefined,
  });
});

it('goes through a field in the reader’s time zone and back', () => {
  for (const at of ['2026-01-15T23:30:00.000Z', '2026-07-15T00:30:00.000Z']) {
    expect(fromLocalField(toLocalField(at))).toBe(at);
  }
});

it('leaves a field empty that holds no time', () => {
  expect(toLocalField('yesterday')).toBe('');
  expect(toLocalField(null)).toBe('');
  expect(fromLocalField('')).toBeUndefined();
});
