import { DamagedError } from '../../domain/failure.ts';
import type { BatchLimits } from '../event-log.ts';
import { LogRecord } from '../log-record.ts';
import type { RecordBatch } from './format.ts';
import { endOfGivenUp, type GivenUp } from './given-up.ts';
import type { SegmentIndex } from './index.ts';
import type { LogMarks } from './marks.ts';

/** What a stream has read of a partition and not yet given away. */
export interface Take {
  readonly records: LogRecord[];
  bytes: number;
  isFull: boolean;
  /** Where to go on reading. */
  nextOffset: number;
  /** The batch that was read last: the next read may begin inside of it. */
  batch: RecordBatch | null;
}

/** Reads whole batches, and hands out what a stream wants of them. */
export interface BatchSource {
  readonly marks: LogMarks;
  readonly partitions: number;
  /**
   * Adds to `take` what is durable, up to the limits or to damage. Throws DamagedError where that comes first of all.
   */
  fill(take: Take, partition: number, limits: BatchLimits): void;
}

export interface TakeFrom {
  readonly index: SegmentIndex;
  readonly marks: LogMarks;
  readonly givenUp: GivenUp;
}

export function fillTake(from: TakeFrom, take: Take, partition: number, limits: BatchLimits): void {
  const { index, marks, givenUp } = from;
  const end = marks.end(partition);
  let offset = Math.max(take.nextOffset, marks.start(partition));
  while (offset < end && !take.isFull) {
    const batch = holds(take.batch, offset) ? take.batch : batchOrDamage(index, partition, offset);
    if (batch instanceof DamagedError) {
      const end = endOfGivenUp(givenUp, batch, offset);
      if (end === null && take.records.length === 0) throw batch;
      // What was read before it is given out first; the next read meets it again.
      take.isFull = end === null;
      offset = end ?? offset;
      take.nextOffset = offset;
      continue;
    }
    take.batch = batch;
    if (batch === null) {
      // Trimmed at this moment: the start has moved.
      offset = marks.start(partition);
      continue;
    }
    for (; offset < batch.base + batch.count; offset += 1) {
      const nth = offset - batch.base;
      const bytes = batch.valuesAt[nth + 1]! - batch.valuesAt[nth]!;
      take.isFull =
        take.records.length >= limits.recordsMax || (take.records.length > 0 && take.bytes + bytes > limits.bytesMax);
      if (take.isFull) return;
      take.records.push(recordOf(batch, offset));
      take.bytes += bytes;
      take.nextOffset = offset + 1;
    }
  }
  take.isFull ||= take.records.length >= limits.recordsMax || take.bytes >= limits.bytesMax;
}

function batchOrDamage(index: SegmentIndex, partition: number, offset: number): RecordBatch | DamagedError | null {
  try {
    return index.batchAt(partition, offset);
  } catch (error) {
    if (error instanceof DamagedError) return error;
    throw error;
  }
}

function holds(batch: RecordBatch | null, offset: number): batch is RecordBatch {
  return batch !== null && offset >= batch.base && offset < batch.base + batch.count;
}

export function recordOf(batch: RecordBatch, offset: number): LogRecord {
  const { partition, timestamp, whole, valuesAt, base } = batch;
  const nth = offset - base;
  return new LogRecord(partition, offset, timestamp, whole, valuesAt[nth]!, valuesAt[nth + 1]!);
}
