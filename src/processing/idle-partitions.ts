import type { LogDescription } from '../event-log/event-log.ts';
import type { PartitionProgress } from '../event-store/event-store.ts';

interface Seen {
  readonly nextOffset: number;
  readonly ownerEpoch: number;
  /** Since when records have been waiting with nothing of this changed. */
  readonly since: number;
}

/** Tells which partitions have had records waiting for `silentMs` while nobody claimed them or moved their progress. */
export function createIdlePartitions(silentMs: number) {
  const seen = new Map<number, Seen>();

  function isIdle(row: PartitionProgress, end: number, now: number): boolean {
    const { partition, nextOffset, ownerEpoch } = row;
    if (end <= nextOffset) {
      seen.delete(partition);
      return false;
    }
    const before = seen.get(partition);
    if (before === undefined || before.nextOffset !== nextOffset || before.ownerEpoch !== ownerEpoch) {
      seen.set(partition, { nextOffset, ownerEpoch, since: now });
      return false;
    }
    return now - before.since >= silentMs;
  }

  return {
    look({ partitions }: LogDescription, progress: readonly PartitionProgress[], now: number): readonly number[] {
      const ends = new Map(partitions.map(({ partition, end }) => [partition, end]));
      return progress.filter((row) => isIdle(row, ends.get(row.partition) ?? 0, now)).map(({ partition }) => partition);
    },
    /** Time in which nobody could work does not count. */
    forget: () => seen.clear(),
  };
}
