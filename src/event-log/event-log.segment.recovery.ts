import { open } from 'node:fs/promises';
import { notOpened, segmentPath, unusable, writeFully } from './event-log.segment.files.ts';
import {
  decodeBatch,
  decodeGroupHeader,
  decodeStarts,
  findGroupMagic,
  type GroupHeader,
  groupHeaderBytes,
  type SegmentHeader,
  segmentHeaderBytes,
  visitBatches,
} from './event-log.segment.format.ts';

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
}

/**
 * Finds the end of the newest segment, and has it on disk up to there: after kill -9 its newest group may be in the page
 * cache only, and nothing is shown before it is durable. To flush it is not enough: where a flush of it has failed before, the
 * system counts it as flushed, so it is written once more.
 *
 * One append is under way at a time, so a crash can leave at most one group in pieces, with nothing behind it. A group that
 * is not whole with a whole one behind it is therefore not a torn write but damage, in records that were answered: it is
 * kept, and told when it is read; or, where not even its length can be known, nothing is opened.
 *
 * @throws StartupError for damage that hides where groups begin, and where the disk does not do it
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
  const ends = [...segment.ends];
  let starts: readonly number[] = segment.starts;
  let at = segmentHeaderBytes(ends.length);
  let lastGroupAt = at;
  let endsInRecords = false;
  let sequence = segment.sequence;
  for (;;) {
    const header = nextGroup(bytes, at, segment, sequence);
    if (header === null) break;
    const group = bytes.subarray(at, at + header.bytes);
    if (!isSound(group, header) && nextGroup(bytes, at + header.bytes, segment, sequence + 1) === null) break;
    if (header.batches === 0) starts = decodeStarts(group) ?? starts;
    else if (!addBatches(ends, group, header)) throw damaged(path, at);
    lastGroupAt = at;
    endsInRecords = header.batches > 0;
    at += header.bytes;
    sequence += 1;
  }
  assertNothingBehind(bytes, at, segment, sequence, path);
  return { bytes: at, lastGroupAt, sequence, starts, ends, endsInRecords };
}

function nextGroup(bytes: Buffer, at: number, { salt }: SegmentHeader, sequence: number): GroupHeader | null {
  const header = decodeGroupHeader(bytes, at, salt);
  if (header === null || header.sequence !== sequence || header.bytes < groupHeaderBytes) return null;
  return at + header.bytes <= bytes.length ? header : null;
}

function isSound(group: Buffer, header: GroupHeader): boolean {
  if (header.batches === 0) return decodeStarts(group) !== null;
  let areSound = true;
  const addUp = visitBatches(group, header, ({ bytes }, at) => {
    areSound &&= decodeBatch(group.subarray(at, at + bytes)) !== null;
  });
  return addUp && areSound;
}

/** Moves the ends past a group's batches. False where it does not follow on what was before. */
function addBatches(ends: number[], group: Buffer, header: GroupHeader): boolean {
  let followOn = true;
  const addUp = visitBatches(group, header, ({ partition, base, count }) => {
    followOn &&= ends[partition] === base;
    ends[partition] = base + count;
  });
  return addUp && followOn;
}

function assertNothingBehind(
  bytes: Buffer,
  from: number,
  { salt }: SegmentHeader,
  sequence: number,
  path: string,
): void {
  for (let at = findGroupMagic(bytes, from); at >= 0; at = findGroupMagic(bytes, at + 1)) {
    const header = decodeGroupHeader(bytes, at, salt);
    if (header === null || header.sequence <= sequence) continue;
    throw damaged(path, from);
  }
}

function damaged(path: string, at: number): Error {
  return unusable(path, `it is damaged at byte ${at}, in front of records that were answered`);
}
