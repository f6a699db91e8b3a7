import { open } from 'node:fs/promises';
import { decodeBoundaries } from './boundaries.ts';
import { notOpened, segmentPath, unusable, writeFully } from './files.ts';
import {
  type BatchHeader,
  type GroupHeader,
  groupHeaderBytes,
  lengthsAddUp,
  recordsMax,
  type SegmentHeader,
  visitBatches,
} from './format.ts';
import { findLaterGroup, groupAt } from './walk.ts';

/** Where the log ends, and what it says of its partitions there. */
export interface LogTail {
  readonly segment: SegmentHeader;
  /** So many bytes of the newest segment count: the next group is written behind them. */
  readonly bytes: number;
  /** Number of the next group. */
  readonly sequence: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  /** Whether the last group holds records: nothing behind it would tell rot in it from a torn write. */
  readonly endsInRecords: boolean;
  /** Whether something stands behind it: most likely of an append that was torn. */
  readonly isTorn: boolean;
}

/**
 * Finds the end of the newest segment, and has it on disk up to there: after kill -9 its newest group may be in the
 * page cache only, and nothing is shown before it is durable. To flush it is not enough: where a flush of it has failed
 * before, the system counts it as flushed, so it is written once more.
 *
 * One append is under way at a time, so a crash can leave at most one group in pieces, with nothing behind it. A group
 * that is not whole with a later one behind it is therefore not a torn write but damage, in records that were answered:
 * it is kept, and told when it is read.
 *
 * @throws StartupError where groups contradict one another, and where the disk does not do it
 */
export async function recoverTail(directory: string, segments: readonly SegmentHeader[]): Promise<LogTail> {
  const segment = segments.at(-1)!;
  const path = segmentPath(directory, segment.number);
  try {
    const { lastGroupAt, ...tail } = await readTail(path, segment);
    // What was removed with its segment is gone, whether or not a group of its own told so.
    const starts = tail.starts.map((start, partition) => Math.max(start, segments[0]!.ends[partition]!));
    return { segment, ...tail, starts };
  } catch (error) {
    throw notOpened(path, error);
  }
}

async function readTail(path: string, segment: SegmentHeader): Promise<Walked> {
  const file = await open(path, 'r+');
  try {
    const bytes = await file.readFile();
    const walked = walk(bytes, segment, path);
    const { lastGroupAt } = walked;
    await writeFully(file.fd, bytes.subarray(lastGroupAt, walked.bytes), lastGroupAt);
    await file.datasync();
    return walked;
  } finally {
    await file.close();
  }
}

interface Walked extends Omit<LogTail, 'segment'> {
  readonly lastGroupAt: number;
}

function walk(bytes: Buffer, segment: SegmentHeader, path: string): Walked {
  const partitions = segment.ends.length;
  const reached = followEnds(segment.ends);
  let starts: readonly number[] = segment.starts;
  let at = segment.groupsAt;
  let lastGroupAt = at;
  let endsInRecords = false;
  let sequence = segment.sequence;
  for (;;) {
    const header = groupAt(bytes, at, segment, sequence);
    const isWhole = header !== null && isSound(bytes.subarray(at, at + header.bytes), header, partitions);
    const later = isWhole ? null : findLaterGroup(bytes, at + (header?.bytes ?? 1), segment, sequence);
    // Torn: nobody was answered for it.
    if (!isWhole && later === null) break;
    const end = header === null ? later!.at : at + header.bytes;
    const group = bytes.subarray(at, end);
    const boundaries = header === null || header.batches === 0 ? decodeBoundaries(group, partitions) : null;
    starts = boundaries?.starts ?? starts;
    // Of a damaged group without batches nothing is missed but a start, which is trimmed to again.
    if (boundaries?.ends) reached.settle(boundaries.ends);
    else if (boundaries === null && header?.batches !== 0) reached.pass(group);
    if (!reached.isConsistent()) {
      throw unusable(path, `the group at byte ${at} does not follow on what lies in front of it`);
    }
    lastGroupAt = at;
    endsInRecords = header?.batches !== 0;
    sequence = header === null ? later!.header.sequence : sequence + 1;
    at = end;
  }
  const isTorn = bytes.subarray(at, at + groupHeaderBytes).some((byte) => byte !== 0);
  return { bytes: at, lastGroupAt, sequence, starts, ends: reached.ends(), endsInRecords, isTorn };
}

function isSound(group: Buffer, header: GroupHeader, partitions: number): boolean {
  if (header.batches === 0) return decodeBoundaries(group, partitions) !== null;
  let sound = 0;
  let isDamaged = false;
  visitBatches(group, {
    onBatch: () => {
      sound += 1;
    },
    onDamage: () => {
      isDamaged = true;
    },
  });
  return !isDamaged && sound === header.batches;
}

/**
 * Follows where each partition ends, past damage too: an offset that was answered must not be given away again. How
 * many records of which partition lie in damaged bytes is what these say of themselves, where that fits what is known;
 * or what comes behind tells; or, where neither does, each partition is taken to have all that it could have there.
 */
function followEnds(from: readonly number[]) {
  const ends = [...from];
  /** So many more records may lie behind the end, unreadable. */
  const hidden = from.map(() => 0);
  let isConsistent = true;

  function fits(partition: number, offset: number): boolean {
    const end = ends[partition];
    return end !== undefined && Number.isInteger(offset) && offset >= end && offset <= end + hidden[partition]!;
  }

  function reach(partition: number, base: number, end: number): void {
    isConsistent &&= fits(partition, base);
    ends[partition] = end;
    hidden[partition] = 0;
  }

  /** More than one where the bytes contradict what is known: which of their numbers has rotted can't be told. */
  function mayBeOf(told: BatchHeader | null): readonly number[] {
    const all = [...ends.keys()];
    if (told === null) return all;
    const { partition, base } = told;
    if (fits(partition, base)) return [partition];
    const possible = all.filter((other) => other === partition || fits(other, base));
    return possible.length > 0 ? possible : all;
  }

  return {
    pass(group: Buffer): void {
      visitBatches(group, {
        onBatch: ({ partition, base, count }) => reach(partition, base, base + count),
        onDamage(at, bytes, told) {
          const isCounted = told !== null && lengthsAddUp(group.subarray(at, at + bytes));
          const records = isCounted ? told.count : recordsMax(bytes);
          for (const partition of mayBeOf(told)) hidden[partition]! += records;
        },
      });
    },
    settle(told: readonly number[]): void {
      for (const [partition, end] of told.entries()) reach(partition, end, end);
    },
    isConsistent: () => isConsistent,
    ends: () => ends.map((end, partition) => end + hidden[partition]!),
  };
}
