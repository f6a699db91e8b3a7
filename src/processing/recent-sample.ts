import { limits } from '../domain/limits.ts';
import type { WriteSet } from '../event-store/event-store.ts';
import type { RecentEvent } from '../metrics-store/metrics-store.ts';

/**
 * Picks what a partition's batches show as recent: the newest few, and of each stretch of time no more than the live stream
 * shows of all partitions together. Whole events are carried to the metrics store, so what nobody will see costs as well.
 */
export function createRecentSample(elapsed: () => number) {
  let stretch = Number.NaN;
  let left = 0;

  /** @param nextOffset of the batch */
  return (written: WriteSet, nextOffset: number): RecentEvent[] => {
    const current = Math.floor(elapsed() / limits.recentEveryMs);
    if (current !== stretch) {
      stretch = current;
      left = limits.liveEventsPerTick;
    }
    if (left === 0) return [];
    const from = nextOffset - left;
    const newest = written.events.filter(({ position }) => position.offset >= from);
    newest.sort((a, b) => b.position.offset - a.position.offset);
    left -= newest.length;
    return newest;
  };
}
