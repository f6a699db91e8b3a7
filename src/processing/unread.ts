import { decodeRecord } from '../domain/record-codec.ts';
import type { LogReader } from '../event-log/event-log.ts';
import type { PartitionProgress } from '../event-store/event-store.ts';
import { firstRecord } from './first-record.ts';

/**
 * When the oldest record that is still to be read was received, over partitions.
 * @returns milliseconds since the epoch, or null when nothing waits.
 */
export async function oldestUnreadReceivedAt(
  log: Pick<LogReader, 'describe' | 'recordAt' | 'examineGap'>,
  progress: readonly PartitionProgress[],
): Promise<number | null> {
  const { partitions } = await log.describe();
  const next = new Map(progress.map((row) => [row.partition, row.nextOffset]));
  let oldest: number | null = null;
  for (const { partition, start, end } of partitions) {
    const from = Math.max(start, next.get(partition) ?? start);
    const record = await firstRecord(log, partition, from, end);
    if (record === null) continue;
    const decoded = decodeRecord(record.value, record.timestamp);
    const receivedAt = decoded.ok ? decoded.event.receivedAt : decoded.partial.receivedAt;
    oldest = oldest === null ? receivedAt : Math.min(oldest, receivedAt);
  }
  return oldest;
}

/** Keeps an answer for a while: the question is cheap, but not for every scrape and every snapshot. */
export function cachedFor<T>(ms: number, elapsed: () => number, ask: () => Promise<T>): () => Promise<T> {
  let asked: Promise<T> | null = null;
  let askedAt = 0;
  return () => {
    if (asked === null || elapsed() - askedAt >= ms) {
      askedAt = elapsed();
      asked = ask().catch((error) => {
        asked = null;
        throw error;
      });
    }
    return asked;
  };
}
