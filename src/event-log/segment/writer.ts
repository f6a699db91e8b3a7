import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { UnavailableError } from '../../domain/failure.ts';
import { giveBack } from '../../domain/give-back.ts';
import { limits } from '../../domain/limits.ts';
import type { AppendedAt, LogAppender, RecordToAppend } from '../event-log.ts';
import { boundariesBytes, bytesToNextPage, encodeBoundaries } from './boundaries.ts';
import {
  assertPartition,
  closedError,
  createSegment,
  isNoSpace,
  messageOf,
  removeSegment,
  segmentPath,
} from './files.ts';
import { encodeGroup, newGroupsAt, type SegmentHeader, saltBytes } from './format.ts';
import type { LogMarks } from './marks.ts';
import type { LogTail } from './recovery.ts';
import { openTailFile, type TailFile } from './tail-file.ts';

export interface SegmentWriter extends LogAppender {
  /**
   * Throws UnavailableError where the newest segment is no longer in its place. Appends are then refused, until it is
   * seen there again. To be called every second or so: an append looks only whether its own file has a name still.
   */
  assertInPlace(): void;
  /** Refuses what comes from now on, waits for what is under way, and closes the file. */
  end(): Promise<void>;
}

export interface SegmentWriterOptions {
  readonly directory: string;
  readonly partitions: number;
  readonly segments: readonly SegmentHeader[];
  readonly tail: LogTail;
  readonly marks: LogMarks;
  readonly now?: () => number;
  readonly segmentBytesMax?: number;
}

/**
 * The one appender of a log. An append is one group, written at the tail and flushed; only then do the tail and the
 * ends move. One that failed has moved nothing, so the next is written over whatever it left: it was never shown to
 * anybody.
 */
export function createSegmentWriter(options: SegmentWriterOptions): SegmentWriter {
  const { directory, partitions, marks, now = Date.now, segmentBytesMax = limits.logSegmentBytesMax } = options;
  /** Oldest first; the last one is written to. */
  const segments = [...options.segments];
  let { bytes: tailBytes, sequence } = options.tail;
  let ends = options.tail.ends;
  let starts = options.tail.starts;
  let file: TailFile | null = null;
  let isRolling = false;
  /** Whether the log says itself where its partitions start. */
  let areStartsWritten = true;
  let isClosed = false;
  /** Whether the newest segment was not in its place when that was looked at. */
  let isMissing = false;
  let isSealed = !options.tail.endsInRecords;
  let lastTurn: Promise<unknown> = Promise.resolve();
  /** Groups of a usual size are put together here, one after another. */
  const scratch = Buffer.allocUnsafeSlow(limits.logScratchBytes);
  const room = (bytes: number) =>
    bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);

  /** One write after another: a group's place is known when the one before is over, whatever came of it. */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }

  function publish(): void {
    marks.setFirstSegment(segments[0]!.number);
    marks.setTail({ segment: segments.at(-1)!.number, bytes: tailBytes });
    for (let partition = 0; partition < partitions; partition += 1) {
      marks.setStart(partition, starts[partition]!);
      marks.setEnd(partition, ends[partition]!);
    }
    marks.announce();
  }

  /** @param bytes so many of the file there must be */
  function isInPlace(path: string, bytes = tailBytes): boolean {
    try {
      if (file === null) return statSync(path).size >= bytes;
      return !file.isLost(bytes) && file.isAt(path);
    } catch (error) {
      // Where it can't be looked at, nothing is known against it.
      return (error as NodeJS.ErrnoException).code !== 'ENOENT';
    }
  }

  /** Durable, in a file that had its name after the flush, when it resolves. */
  async function write(group: Buffer): Promise<void> {
    const path = segmentPath(directory, segments.at(-1)!.number);
    try {
      file ??= openTailFile(path);
      if (isMissing || file.isLost(tailBytes)) throw deleted(path);
      await file.write(group, tailBytes);
      // A look at the name takes a hundredth of the flush.
      if (!isInPlace(path, tailBytes + group.length)) throw deleted(path);
    } catch (error) {
      throw unavailable(error, path);
    }
    tailBytes += group.length;
    sequence += 1;
    isSealed = false;
    marks.setTail({ segment: segments.at(-1)!.number, bytes: tailBytes });
  }

  /** The next segment, where the group does not fit into this one. */
  async function makeRoom(groupBytes: number): Promise<void> {
    const current = segments.at(-1)!;
    const isEmpty = tailBytes === current.groupsAt;
    if (!isRolling && (isEmpty || tailBytes + groupBytes <= segmentBytesMax)) return;
    // A segment behind one that is gone would be in its place, and what is in neither forgotten.
    const path = segmentPath(directory, current.number);
    if (!isInPlace(path)) throw unavailable(deleted(path), path);
    // The next segment says how much of this one counts. Once it may be there, nothing more may be written to this one.
    isRolling = true;
    const next: SegmentHeader = {
      logId: current.logId,
      number: current.number + 1,
      previousBytes: tailBytes,
      sequence,
      salt: randomBytes(saltBytes),
      starts,
      ends,
      groupsAt: newGroupsAt(partitions),
    };
    try {
      await createSegment(directory, next);
    } catch (error) {
      throw unavailable(error, segmentPath(directory, next.number));
    }
    const former = file;
    file = null;
    segments.push(next);
    tailBytes = next.groupsAt;
    isRolling = false;
    await former?.close();
  }

  async function appendNow(records: readonly RecordToAppend[]): Promise<readonly AppendedAt[]> {
    await makeRoom(sizeOf(records));
    const place = { salt: segments.at(-1)!.salt, sequence };
    const group = encodeGroup(records, place, ends, now(), limits.logBatchBytesMax, room);
    await write(group.bytes);
    if (group.bytes.buffer !== scratch.buffer) giveBack(group.bytes);
    const before = ends;
    ends = group.ends;
    for (let partition = 0; partition < partitions; partition += 1) {
      if (ends[partition] !== before[partition]) marks.setEnd(partition, ends[partition]!);
    }
    marks.announce();
    return group.positions;
  }

  async function trimNow(partition: number, below: number): Promise<void> {
    const target = Math.min(below, ends[partition]!);
    if (target <= starts[partition]! && areStartsWritten) return;
    areStartsWritten = false;
    starts = starts.with(partition, Math.max(target, starts[partition]!));
    marks.setStart(partition, starts[partition]!);
    // Segments first: on a full disk that is what gives the room to write down where the log starts.
    await removeDone();
    await writeBoundaries();
  }

  /** Whether nothing is left of the oldest segment. */
  function isOldestDone(): boolean {
    return segments.length > 1 && segments[1]!.ends.every((end, partition) => end <= starts[partition]!);
  }

  /** As many as hold up an append for a moment only. */
  async function removeDone(): Promise<void> {
    for (let removed = 0; removed < limits.logSegmentsRemovedMax && isOldestDone(); removed += 1) {
      const { number } = segments[0]!;
      marks.setFirstSegment(segments[1]!.number);
      try {
        await removeSegment(directory, number);
      } catch (error) {
        // Still the oldest one: were a later one removed before it, there would be a hole.
        throw unavailable(error, segmentPath(directory, number));
      }
      segments.shift();
    }
    marks.announce();
  }

  async function writeBoundaries(paddingBytes = 0): Promise<void> {
    await makeRoom(boundariesBytes(partitions) + paddingBytes);
    await write(encodeBoundaries(starts, ends, { salt: segments.at(-1)!.salt, sequence }, paddingBytes));
    areStartsWritten = true;
  }

  /**
   * With a group behind it, the last append can't be taken for one that a crash has torn, should its bytes ever rot.
   * That group is on a page of its own: what rots is often a whole sector.
   */
  async function seal(): Promise<void> {
    await writeBoundaries(bytesToNextPage(tailBytes + boundariesBytes(partitions)));
    await writeBoundaries();
  }

  publish();
  return {
    partitions,
    lanes: 1,
    laneOf: () => 0,
    assertInPlace() {
      if (isClosed) return;
      const path = segmentPath(directory, segments.at(-1)!.number);
      isMissing = !isInPlace(path);
      if (isMissing) throw deleted(path);
    },
    async append(records) {
      if (isClosed) throw closedError();
      for (const { partition } of records) assertPartition(partition, partitions);
      if (records.length === 0) return [];
      return inTurn(() => appendNow(records));
    },
    async trim(partition, below) {
      if (isClosed) throw closedError();
      assertPartition(partition, partitions);
      await inTurn(() => trimNow(partition, below));
      // After days without a trim there may be thousands: appends come in between. What a close leaves, the next trim
      // removes.
      while (!isClosed && isOldestDone()) await inTurn(removeDone);
    },
    async end() {
      if (isClosed) return lastTurn.then(() => undefined);
      isClosed = true;
      await inTurn(async () => {
        if (!isSealed && !isRolling) await seal().catch(() => undefined);
        await file?.close();
        file = null;
      });
    },
  };
}

function sizeOf(records: readonly RecordToAppend[]): number {
  let bytes = 0;
  for (const { value } of records) bytes += value.length;
  return bytes;
}

function deleted(path: string): UnavailableError {
  return new UnavailableError(
    'log_deleted',
    `${path} was deleted, moved or cut off while it was open: put it back, or restart`,
  );
}

function unavailable(error: unknown, path: string): UnavailableError {
  if (error instanceof UnavailableError) return error;
  if (isNoSpace(error)) {
    return new UnavailableError('disk_full', `the disk of ${path} is full: no space left on it`, { cause: error });
  }
  return new UnavailableError('log_unavailable', `the log ${path} can't be written: ${messageOf(error)}`, {
    cause: error,
  });
}
