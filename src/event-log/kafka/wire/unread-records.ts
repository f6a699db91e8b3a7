import { LogRecord } from '../../log-record.ts';
import { type KafkaBatch, RecordCursor } from './decode-batch.ts';

/**
 * The records of a batch that are still to be taken. Until then they are bytes: what is read ahead lives through
 * several collections of garbage, each of which would copy the objects of all of it.
 */
export interface UnreadRecords {
  readonly count: number;
  /** Of the records that are left, as they stand in the batch. */
  readonly bytes: number;
  /** Of the value of the next one. */
  readonly nextValueBytes: number;
  /** The next one; only while there are any. */
  take(): LogRecord;
}

/**
 * Looks through the whole batch at once, so that what is wrong with it shows now.
 *
 * @param from records below are left out: batches come whole
 * @throws RangeError for a batch that ends too early
 */
export function unreadRecords(batch: KafkaBatch, partition: number, from: number): UnreadRecords {
  // Where the topic lets producers set the time, a record may claim any; the log has not taken it later than now.
  const now = Date.now();
  let count = 0;
  let bytes = 0;
  const cursor = new RecordCursor(batch);
  while (cursor.next()) {
    if (cursor.offset < from) continue;
    count += 1;
    bytes += cursor.recordBytes;
  }
  cursor.rewind();
  const toNext = () => {
    while (cursor.next()) if (cursor.offset >= from) return;
  };
  toNext();

  return {
    get count() {
      return count;
    },
    get bytes() {
      return bytes;
    },
    get nextValueBytes() {
      return Math.max(0, cursor.valueBytes);
    },
    take() {
      const { offset, timestamp } = cursor;
      const record = new LogRecord(
        partition,
        offset,
        Math.max(0, Math.min(timestamp, now)),
        cursor.bytes,
        cursor.valueAt,
        cursor.valueAt + Math.max(0, cursor.valueBytes),
      );
      count -= 1;
      bytes -= cursor.recordBytes;
      toNext();
      return record;
    },
  };
}
