import { expect, test } from 'vitest';
import { beginStickyRun, createStickyPartitioner } from './sticky-partitioner.ts';

test('keeps to a partition for a run of bytes, then takes the next', () => {
  const { partitionFor } = createStickyPartitioner(beginStickyRun(2), 100);
  expect(Array.from({ length: 9 }, () => partitionFor(40, 4))).toEqual([2, 2, 2, 3, 3, 3, 0, 0, 0]);
});

test('one that is larger than a run is a run', () => {
  const { partitionFor } = createStickyPartitioner(beginStickyRun(0), 100);
  expect([partitionFor(1_000, 2), partitionFor(1, 2), partitionFor(1, 2)]).toEqual([0, 1, 1]);
});

test('begins anywhere, and takes partitions in that are added', () => {
  const { partitionFor } = createStickyPartitioner(beginStickyRun(11), 1);
  expect([partitionFor(1, 4), partitionFor(1, 4), partitionFor(1, 6), partitionFor(1, 6)]).toEqual([3, 0, 1, 2]);
});

test('gives every partition about as many bytes', () => {
  const { partitionFor } = createStickyPartitioner(beginStickyRun(0), 10_000);
  const bytes = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let n = 0; n < 40_000; n += 1) {
    const size = 100 + ((n * 7919) % 400);
    const partition = partitionFor(size, 8);
    bytes[partition] = bytes[partition]! + size;
  }
  expect(Math.min(...bytes) / Math.max(...bytes)).toBeGreaterThan(0.98);
});

test('threads that share a run move on together, and each leaves for all', () => {
  const run = beginStickyRun(0);
  const [one, other] = [createStickyPartitioner(run, 100), createStickyPartitioner(run, 100)];
  expect([one, other, one, other, one].map(({ partitionFor }) => partitionFor(40, 4))).toEqual([0, 0, 0, 1, 1]);
  other.leave(1);
  expect(one.partitionFor(40, 4)).toBe(2);
});

test('leaves a partition that does not confirm, once', () => {
  const { partitionFor, leave } = createStickyPartitioner(beginStickyRun(0), 100);
  expect(partitionFor(10, 4)).toBe(0);
  leave(3);
  expect(partitionFor(10, 4)).toBe(0);
  leave(0);
  leave(0);
  expect(partitionFor(10, 4)).toBe(1);
  // Later answers to what went there before.
  leave(0);
  expect(partitionFor(10, 4)).toBe(1);
});
