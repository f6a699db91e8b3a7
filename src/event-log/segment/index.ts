import { DamagedError, UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { SegmentChunks } from './chunks.ts';
import { emptyContents, learnContents, type SegmentContents } from './contents.ts';
import { messageOf, readHeader, segmentPath } from './files.ts';
import { batchHeaderBytes, decodeBatch, type RecordBatch, readBatchHeader, type SegmentHeader } from './format.ts';
import type { LogMarks } from './marks.ts';

/** Finds records in the segments. What a thread has learned of a segment it keeps, for the few that it used last. */
export interface SegmentIndex {
  /**
   * The batch that holds this offset, which must lie between the partition's start and end; null if it was trimmed
   * meanwhile.
   * @throws DamagedError for a record that is damaged; UnavailableError where files can't be read
   */
  batchAt(partition: number, offset: number): RecordBatch | null;
}

/** A segment, and what of it counts. */
interface Extent {
  readonly header: SegmentHeader;
  readonly bytes: number;
  /** One past the last offset of the partition in question that lies in it. */
  readonly end: number;
}

export function createSegmentIndex(
  directory: string,
  marks: LogMarks,
  chunks: SegmentChunks,
  partitions: number,
): SegmentIndex {
  /** Of the segments that are kept, oldest first. */
  let headers: SegmentHeader[] = [];
  /** Least recently used first. */
  const known = new Map<number, SegmentContents>();

  function refresh(tail: number): void {
    const first = marks.firstSegment();
    if (headers.length > 0 && headers[0]!.number < first) {
      headers = headers.filter(({ number }) => number >= first);
      for (const number of [...known.keys()]) if (number < first) known.delete(number);
      chunks.dropBefore(first);
    }
    for (let number = Math.max(first, (headers.at(-1)?.number ?? 0) + 1); number <= tail; number += 1) {
      const header = readHeader(directory, number, partitions);
      if (header !== null) headers.push(header);
      else if (number >= marks.firstSegment()) throw new Error(`${segmentPath(directory, number)} is gone`);
    }
  }

  /** The segment that was the newest one when the record came; null where it is gone. */
  function holding(partition: number, offset: number): Extent | null {
    const tail = marks.tail();
    refresh(tail.segment);
    let low = 0;
    let high = headers.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (headers[middle]!.ends[partition]! <= offset) low = middle + 1;
      else high = middle;
    }
    const [header, next] = [headers[low - 1], headers[low]];
    if (header === undefined) return null;
    if (next === undefined) return { header, bytes: tail.bytes, end: marks.end(partition) };
    return { header, bytes: next.previousBytes, end: next.ends[partition]! };
  }

  /** Null where the segment is gone. */
  function contentsOf({ header, bytes }: Extent): SegmentContents | null {
    const { number } = header;
    const contents = known.get(number) ?? emptyContents(header);
    known.delete(number);
    if (!learnContents(contents, chunks, header, bytes)) return null;
    known.set(number, contents);
    if (known.size > limits.logIndexedSegmentsMax) known.delete(known.keys().next().value!);
    return contents;
  }

  function find(partition: number, offset: number): RecordBatch | null {
    const extent = holding(partition, offset);
    if (extent === null) return null;
    for (let isSecondLook = false; ; isSecondLook = true) {
      const contents = contentsOf(extent);
      if (contents === null) return null;
      const { bases, ends, places } = contents.batches[partition]!;
      const nth = lastAtMost(bases, offset);
      if (nth < 0 || offset >= ends[nth]!) throw damaged(extent, contents, partition, offset);
      const batch = readBatch(extent, places[nth]!);
      if (batch !== null) return batch;
      // It was sound before. The next look leaves it out.
      if (isSecondLook) throw new Error(`${segmentPath(directory, extent.header.number)} changes while it is read`);
      forget(extent.header.number);
    }
  }

  function forget(segment: number): void {
    known.delete(segment);
    chunks.forget(segment);
  }

  function readBatch({ header, bytes: limit }: Extent, place: number): RecordBatch | null {
    const head = chunks.read(header.number, place, batchHeaderBytes, limit);
    if (head === null || head.length < batchHeaderBytes) return null;
    const { bytes } = readBatchHeader(head, 0);
    if (bytes < batchHeaderBytes || place + bytes > limit) return null;
    const whole = head.length >= bytes ? head : chunks.read(header.number, place, bytes, limit);
    return whole !== null && whole.length >= bytes ? decodeBatch(whole.subarray(0, bytes)) : null;
  }

  /** What can't be read reaches from the sound batch before it to the one behind. */
  function damaged(
    { header, end }: Extent,
    { batches, damages }: SegmentContents,
    partition: number,
    offset: number,
  ): DamagedError {
    const { bases, ends, places } = batches[partition]!;
    const nth = lastAtMost(bases, offset);
    const from = Math.max(ends[nth] ?? header.ends[partition]!, marks.start(partition));
    const to = bases[nth + 1] ?? end;
    const [behind, before] = [places[nth] ?? 0, places[nth + 1] ?? Number.POSITIVE_INFINITY];
    const between = damages.filter(({ at }) => at > behind && at < before);
    const damage = between.find(({ told }) => told?.partition === partition) ?? between[0];
    const path = segmentPath(directory, header.number);
    const place = damage === undefined ? path : `${path} at byte ${damage.at}`;
    return new DamagedError(
      { partition, from, to },
      place,
      `Partition ${partition}: ${describeOffsets(from, to)} can't be read, ${place} is damaged. Put a sound copy of the file in its ` +
        'place while nothing runs, or go on without them: esp give-up.',
    );
  }

  return {
    batchAt(partition, offset) {
      let failure: unknown = null;
      try {
        const batch = find(partition, offset);
        if (batch !== null) return batch;
      } catch (error) {
        failure = error;
      }
      // Its segment may have gone while it was being read: that is no damage.
      if (offset < marks.start(partition)) return null;
      if (failure instanceof DamagedError) throw failure;
      const reason = failure === null ? 'its segment is gone' : messageOf(failure);
      throw new UnavailableError('log_unavailable', `the log can't be read: ${reason}`, { cause: failure });
    },
  };
}

function describeOffsets(from: number, to: number): string {
  return to - from === 1 ? `the record at offset ${from}` : `the records at offsets ${from} to ${to - 1}`;
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
