import { expect, it } from 'vitest';
import {
  formatBytes,
  formatCount,
  formatLatency,
  formatLatencyTick,
  formatRate,
  formatShare,
  formatTick,
  plural,
} from './numbers.ts';

it.each([
  [0, '0'],
  [1_234_567, '1,234,567'],
  [999_999_999, '999,999,999'],
  [1_234_567_890, '1.235B'],
])('count %d is %s', (count, text) => expect(formatCount(count)).toBe(text));

it.each([
  [0, '0'],
  [0.004, '<0.01'],
  [0.1, '0.10'],
  [12.34, '12.3'],
  [21_300.4, '21,300'],
])('rate %d is %s', (rate, text) => expect(formatRate(rate)).toBe(text));

it.each([
  [null, '–'],
  [0, '<1 ms'],
  [4.26, '4.3 ms'],
  [312.4, '312 ms'],
  [1_234, '1.23 s'],
  [150_000, '2.5 min'],
])('latency %s is %s', (latencyMs, text) => expect(formatLatency(latencyMs)).toBe(text));

it.each([
  [0, 10, '0 %'],
  [1, 100_000, '<0.1 %'],
  [99_999, 100_000, '>99.9 %'],
  [997, 1_000, '99 %'],
  [10, 10, '100 %'],
  [0, 0, '0 %'],
])('share %d of %d is %s', (part, total, text) => expect(formatShare(part, total)).toBe(text));

it('counts in words', () => {
  expect([0, 1, 2].map((count) => plural(count, 'event'))).toEqual(['0 events', '1 event', '2 events']);
});

it.each([
  [512, '512 B'],
  [1_536, '1.5 KiB'],
  [3_145_728, '3.0 MiB'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it.each([
  [0, '0'],
  [2.5, '2.5'],
  [0.30000000000000004, '0.3'],
  [75, '75'],
  [12_000, '12K'],
])('tick %d is %s', (value, text) => expect(formatTick(value)).toBe(text));

it.each([
  [0, '0'],
  [500, '500 ms'],
  [1_500, '1.5 s'],
])('latency tick %d is %s', (value, text) => expect(formatLatencyTick(value)).toBe(text));
