import { expect, it } from 'vitest';
import type { PartitionProgress } from '../event-store/event-store.ts';
import { createIdlePartitions } from './idle-partitions.ts';

const logOf = (...ends: number[]) => {
  return { logId: 'log-a', partitions: ends.map((end, partition) => ({ partition, start: 0, end })) };
};
const progressOf = (...rows: [nextOffset: number, ownerEpoch: number][]) =>
  rows.map(([nextOffset, ownerEpoch], partition) => ({ partition, nextOffset, ownerEpoch }) as PartitionProgress);

it('is a partition whose records wait while nobody claims it or moves it', () => {
  const idle = createIdlePartitions(30);
  expect(idle.look(logOf(5, 5), progressOf([3, 1], [5, 1]), 0)).toEqual([]);
  expect(idle.look(logOf(9, 5), progressOf([3, 1], [5, 1]), 29)).toEqual([]);
  expect(idle.look(logOf(9, 5), progressOf([3, 1], [5, 1]), 30)).toEqual([0]);
});

it.each([
  ['moved', [4, 1]],
  ['claimed', [3, 2]],
] as const)('is none that was %s meanwhile', (_what, [nextOffset, ownerEpoch]) => {
  const idle = createIdlePartitions(30);
  idle.look(logOf(9), progressOf([3, 1]), 0);
  expect(idle.look(logOf(9), progressOf([nextOffset, ownerEpoch]), 29)).toEqual([]);
  expect(idle.look(logOf(9), progressOf([nextOffset, ownerEpoch]), 58)).toEqual([]);
  expect(idle.look(logOf(9), progressOf([nextOffset, ownerEpoch]), 59)).toEqual([0]);
});

it('begins to count anew when all was done, and after a time in which nobody could work', () => {
  const idle = createIdlePartitions(30);
  idle.look(logOf(5), progressOf([3, 1]), 0);
  idle.look(logOf(5), progressOf([5, 1]), 10);
  expect(idle.look(logOf(6), progressOf([5, 1]), 35)).toEqual([]);
  idle.forget();
  expect(idle.look(logOf(6), progressOf([5, 1]), 70)).toEqual([]);
  expect(idle.look(logOf(6), progressOf([5, 1]), 100)).toEqual([0]);
});
