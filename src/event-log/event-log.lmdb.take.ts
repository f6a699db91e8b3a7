import { batchFrom, type LogDatabase, type PlacedBatch } from './event-log.lmdb.file.ts';
import type { LogMarks } from './event-log.lmdb.marks.ts';
import type { BatchLimits, LogRecord } from './event-log.ts';

/** What a stream has read of a partition and not yet given away. */
export interface Take {
  readonly records: LogRecord[];
  bytes: number;
  isFull: boolean;
  /** Where to go on reading. */
  nextOffset: number;
  /** The batch that was read last: the next read may begin inside of it. */
  batch: PlacedBatch | null;
}

/** Reads whole batches, and hands out what a stream wants of them. */
export interface BatchSource {
  readonly marks: LogMarks;
  readonly partitions: number;
  /** Adds to `take` what is durable, up to the limits. */
  fill(take: Take, partition: number, limits: BatchLimits): void;
}

export function fillTake(
  database: LogDatabase,
  marks: LogMarks,
  take: Take,
  partition: number,
  limits: BatchLimits,
): void {
  const end = marks.end(partition);
  let offset = Math.max(take.nextOffset, marks.start(partition));
  while (offset < end && !take.isFull) {
    const batch = holds(take.batch, offset) ? take.batch : batchFrom(database, partition, offset);
    if (batch === null || batch.base >= end) return;
    take.batch = batch;
    offset = Math.max(offset, batch.base);
    for (; offset < batch.base + batch.count; offset += 1) {
      const bytes = batch.values[offset - batch.base]!.length;
      take.isFull =
        take.records.length >= limits.recordsMax || (take.records.length > 0 && take.bytes + bytes > limits.bytesMax);
      if (take.isFull) return;
      take.records.push(recordOf(batch, partition, offset));
      take.bytes += bytes;
      take.nextOffset = offset + 1;
    }
  }
  take.isFull ||= take.records.length >= limits.recordsMax || take.bytes >= limits.bytesMax;
}

function holds(batch: PlacedBatch | null, offset: number): batch is PlacedBatch {
  return batch !== null && offset >= batch.base && offset < batch.base + batch.count;
}

export function recordOf(batch: PlacedBatch, partition: number, offset: number): LogRecord {
  return { partition, offset, timestamp: batch.timestamp, value: batch.values[offset - batch.base]! };
}
