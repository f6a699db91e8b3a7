import { UnavailableError } from '../domain/failure.ts';
import { isAbortMarker, type KafkaBatch, readBatches, readRecords } from './event-log.kafka.decode-batch.ts';
import type { FetchedPartition } from './event-log.kafka.protocol.ts';
import type { LogRecord } from './event-log.ts';

/** What a fetch from an offset on has brought of one partition. */
export interface Fetched {
  readonly records: readonly LogRecord[];
  /** Where to go on: one past everything that was looked at, control records and aborted transactions included. */
  readonly nextOffset: number;
  /** The partition's end for readers. */
  readonly end: number;
  readonly bytes: number;
}

const noBytes = Buffer.alloc(0);

/**
 * Takes the data of finished transactions and of no transaction. The broker names the aborted transactions that touch what it
 * sends, by producer and first offset; each ends at its abort marker.
 * @param from records below are left out: batches come whole
 * @throws UnavailableError for bytes that are no sound record batches
 */
export function readFetched(fetched: FetchedPartition, from: number): Fetched {
  try {
    return readBytes(fetched, from);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UnavailableError('log_corrupt', `partition ${fetched.partition} from ${from} can't be read: ${message}`, {
      cause: error,
    });
  }
}

function readBytes(fetched: FetchedPartition, from: number): Fetched {
  const { partition, lastStableOffset: end, bytes } = fetched;
  const records: LogRecord[] = [];
  let nextOffset = from;
  const isAborted = followAborted(fetched);
  const now = Date.now();
  for (const batch of readBatches(bytes ?? noBytes)) {
    nextOffset = Math.max(nextOffset, batch.lastOffset + 1);
    if (isAborted(batch) || batch.isControl) continue;
    readRecords(batch, ({ offset, timestamp, value }) => {
      if (offset < from) return;
      // Where the topic lets producers set the time, a record may claim any; the log has not taken it later than now.
      const takenAt = Math.max(0, Math.min(timestamp, now));
      records.push({ partition, offset, timestamp: takenAt, value: value ?? noBytes });
    });
  }
  return { records, nextOffset, end, bytes: bytes?.length ?? 0 };
}

/** Answers of one batch after another, in order, whether it belongs to an aborted transaction. */
function followAborted({ aborted }: FetchedPartition): (batch: KafkaBatch) => boolean {
  const upcoming = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  return (batch) => {
    while (upcoming[0] !== undefined && upcoming[0].firstOffset <= batch.lastOffset)
      open.add(upcoming.shift()!.producerId);
    if (!batch.isTransactional || !open.has(batch.producerId)) return false;
    if (batch.isControl && isAbortMarker(batch)) open.delete(batch.producerId);
    return !batch.isControl;
  };
}
