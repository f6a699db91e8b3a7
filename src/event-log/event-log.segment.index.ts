import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { SegmentChunks } from './event-log.segment.chunks.ts';
import { messageOf, readHeader } from './event-log.segment.files.ts';
import {
  batchHeaderBytes,
  decodeBatch,
  decodeGroupHeader,
  groupHeaderBytes,
  type RecordBatch,
  readBatchHeader,
  type SegmentHeader,
  segmentHeaderBytes,
  visitBatches,
} from './event-log.segment.format.ts';
import type { LogMarks } from './event-log.segment.marks.ts';

/** Finds records in the segments. What a thread has learned of a segment it keeps, for the few that it used last. */
export interface SegmentIndex {
  /**
   * The batch that holds this offset, which must lie between the partition's start and end; null if it was trimmed meanwhile.
   * @throws UnavailableError for records that are damaged or can't be read
   */
  batchAt(partition: number, offset: number): RecordBatch | null;
}

/** The batches of one segment, by partition: first offset and place, in order. */
interface IndexedSegment {
  indexedBytes: number;
  readonly bases: readonly number[][];
  readonly places: readonly number[][];
}

export function createSegmentIndex(directory: string, marks: LogMarks, chunks: SegmentChunks): SegmentIndex {
  /** Of the segments that are kept, oldest first. */
  let headers: SegmentHeader[] = [];
  /** Least recently used first. */
  const indexed = new Map<number, IndexedSegment>();

  function refresh(tail: number): void {
    const first = marks.firstSegment();
    if (headers.length > 0 && headers[0]!.number < first) {
      headers = headers.filter(({ number }) => number >= first);
      for (const number of [...indexed.keys()]) if (number < first) indexed.delete(number);
      chunks.dropBefore(first);
    }
    for (let number = Math.max(first, (headers.at(-1)?.number ?? 0) + 1); number <= tail; number += 1) {
      const header = readHeader(directory, number);
      if (header !== null) headers.push(header);
    }
  }

  /** The segment that was the newest one when the record came. */
  function holding(partition: number, offset: number): number {
    let low = 0;
    let high = headers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (headers[middle]!.ends[partition]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Null where the segment is gone. */
  function indexOf(header: SegmentHeader, bytes: number): IndexedSegment | null {
    const { number, ends } = header;
    const index = indexed.get(number) ?? {
      indexedBytes: segmentHeaderBytes(ends.length),
      bases: ends.map(() => []),
      places: ends.map(() => []),
    };
    indexed.delete(number);
    if (!extend(index, header, bytes)) return null;
    indexed.set(number, index);
    if (indexed.size > limits.logIndexedSegmentsMax) indexed.delete(indexed.keys().next().value!);
    return index;
  }

  function extend(index: IndexedSegment, { number, salt }: SegmentHeader, bytes: number): boolean {
    while (index.indexedBytes < bytes) {
      const from = index.indexedBytes;
      const head = chunks.read(number, from, groupHeaderBytes, bytes);
      if (head === null) return false;
      const header = decodeGroupHeader(head, 0, salt);
      if (header === null || from + header.bytes > bytes) throw damaged(`segment ${number} at byte ${from}`);
      const group = chunks.read(number, from, header.bytes, bytes)?.subarray(0, header.bytes);
      if (group === undefined) return false;
      const addUp = visitBatches(group, header, ({ partition, base }, at) => {
        index.bases[partition]?.push(base);
        index.places[partition]?.push(from + at);
      });
      if (header.batches > 0 && !addUp) throw damaged(`segment ${number} at byte ${from}`);
      index.indexedBytes += header.bytes;
    }
    return true;
  }

  function find(partition: number, offset: number): RecordBatch | null {
    const tail = marks.tail();
    refresh(tail.segment);
    const at = holding(partition, offset);
    const header = headers[at];
    if (header === undefined) return null;
    const next = headers[at + 1];
    const bytes = next === undefined ? tail.bytes : next.previousBytes;
    const index = indexOf(header, bytes);
    if (index === null) return null;
    const nth = lastAtMost(index.bases[partition]!, offset);
    if (nth < 0) return null;
    const batch = readBatch(header.number, index.places[partition]![nth]!, bytes);
    if (batch === null) return null;
    return offset < batch.base + batch.count ? batch : null;
  }

  function readBatch(segment: number, place: number, limit: number): RecordBatch | null {
    const head = chunks.read(segment, place, batchHeaderBytes, limit);
    if (head === null || head.length < batchHeaderBytes) return null;
    const { bytes, partition, base } = readBatchHeader(head, 0);
    const whole = head.length >= bytes ? head : chunks.read(segment, place, Math.min(bytes, limit - place), limit);
    if (whole === null) return null;
    const batch = whole.length >= bytes ? decodeBatch(whole.subarray(0, bytes)) : null;
    if (batch === null) throw damaged(`the records of partition ${partition} from offset ${base}`);
    return batch;
  }

  return {
    batchAt(partition, offset) {
      try {
        const batch = find(partition, offset);
        if (batch !== null || offset < marks.start(partition)) return batch;
      } catch (error) {
        if (error instanceof UnavailableError) throw error;
        throw new UnavailableError('log_unavailable', `the log can't be read: ${messageOf(error)}`, { cause: error });
      }
      throw damaged(`the record of partition ${partition} at offset ${offset}, which is not found,`);
    },
  };
}

/** The last of these, which grow, that is no larger; −1 where all are. */
function lastAtMost(values: readonly number[], wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function damaged(what: string): UnavailableError {
  return new UnavailableError('log_corrupt', `${what} is damaged: restore the log from a backup`);
}
