import type { LogAppender, LogReader } from '../event-log/event-log.ts';
import type { EventWriter } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { firstRecord } from './first-record.ts';

/**
 * Removes from the log what is old and done: below progress that is known to be on disk (the store may forget its
 * newest transactions in a power cut, and then asks the log for those records again), and older than the log keeps
 * records.
 *
 * @param consumers every consumer that reads this log
 */
export async function trimLog(
  options: {
    readonly log: Pick<LogReader, 'describe' | 'recordAt' | 'examineGap'>;
    readonly trim: LogAppender['trim'];
    readonly store: Pick<EventWriter, 'durableProgress'>;
    readonly telemetry: Telemetry;
  },
  consumers: readonly string[],
  olderThanMs: number,
): Promise<void> {
  const { log, store, telemetry } = options;
  const { logId, partitions } = await log.describe();
  const expired: { partition: number; start: number; end: number }[] = [];
  for (const { partition, start, end } of partitions) {
    if (start >= end) continue;
    const first = await firstRecord(log, partition, start, end);
    if (first !== null && first.timestamp < olderThanMs) expired.push({ partition, start, end });
  }
  // Making progress durable costs a flush: only when there is something to remove.
  if (expired.length === 0) return;

  const done = await Promise.all(consumers.map((consumer) => store.durableProgress(consumer)));
  for (const { partition, start, end } of expired) {
    // Progress on another log says nothing of what has been read of this one, however large its offsets are.
    const doneBelow = Math.min(
      ...done.map(
        (rows) => rows.find((row) => row.partition === partition && row.logId === logId)?.nextOffset ?? start,
      ),
    );
    const below = Math.min(doneBelow, await firstOffsetSince(log, partition, start, end, olderThanMs));
    if (below <= start) continue;
    await options.trim(partition, below);
    telemetry.emit('log.trimmed', { partition, below });
  }
}

/** Binary search: timestamps of a partition only grow, but for clock steps, which make it trim less or later. */
async function firstOffsetSince(
  log: Pick<LogReader, 'recordAt' | 'examineGap'>,
  partition: number,
  start: number,
  end: number,
  sinceMs: number,
): Promise<number> {
  let low = start;
  let high = end;
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    const record = await firstRecord(log, partition, middle, end);
    if (record !== null && record.timestamp < sinceMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
