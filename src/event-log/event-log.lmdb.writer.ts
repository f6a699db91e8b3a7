import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import {
  assertPartition,
  batchKey,
  closedError,
  encodeOffsets,
  endsKey,
  firstBases,
  type LogDatabase,
  messageOf,
  readOffsets,
  startsKey,
} from './event-log.lmdb.file.ts';
import type { LogHandle } from './event-log.lmdb.handle.ts';
import type { LogMarks } from './event-log.lmdb.marks.ts';
import type { AppendedAt, LogAppender, RecordToAppend } from './event-log.ts';
import { encodedBytes, encodeRecordBatch } from './record-batch.ts';

export interface LmdbWriter extends LogAppender {
  /** Refuses what comes from now on, and waits for what is under way. */
  end(): Promise<void>;
}

export interface LmdbWriterOptions {
  readonly handle: LogHandle;
  readonly path: string;
  readonly partitions: number;
  readonly marks: LogMarks;
  readonly now: () => number;
}

/**
 * The one appender of a log. `ends` and `starts` say what the file says; a transaction writes what they are going to be, and
 * they follow when it is durable. After one that failed they are read again before anything else is written: nobody can say
 * from outside what of it happened, and an offset must never be given twice.
 */
export function createLmdbWriter(options: LmdbWriterOptions): LmdbWriter {
  const { handle, path, partitions, marks, now } = options;
  let ends: number[] = [];
  let starts: number[] = [];
  let isStale = true;
  let isClosed = false;
  let lastTurn: Promise<unknown> = Promise.resolve();
  let lastTrim: Promise<unknown> = Promise.resolve();

  /**
   * One transaction after another: offsets are given when the one before is over, whatever came of it. A failed one may
   * also leave LMDB unable to begin the next, which then would never answer.
   */
  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = lastTurn.then(work);
    lastTurn = turn.catch(() => undefined);
    return turn;
  }

  function refresh(): void {
    if (!isStale) return;
    handle.read((database) => {
      ends = readOffsets(database, endsKey, partitions);
      starts = readOffsets(database, startsKey, partitions);
    });
    isStale = false;
    publish();
  }

  function publish(): void {
    for (let partition = 0; partition < partitions; partition += 1) {
      marks.setStart(partition, starts[partition]!);
      marks.setEnd(partition, ends[partition]!);
    }
    marks.announce();
  }

  /** One transaction: durable when it resolves. */
  async function write(bytes: number, freeMin: number, put: (database: LogDatabase) => void): Promise<void> {
    assertFreeDisk(path, bytes * pageRoundingMax + freeMin);
    try {
      await handle.write(put);
    } catch (error) {
      isStale = true;
      throw error instanceof UnavailableError ? error : await explain(error, path);
    }
    handle.touch(bytes);
    if (!handle.isDeleted()) return;
    isStale = true;
    throw new UnavailableError('log_deleted', `${path} was deleted while it was open: restart to make a new log`);
  }

  async function appendNow(records: readonly RecordToAppend[]): Promise<AppendedAt[]> {
    refresh();
    const plan = planAppend(records, ends, now());
    await write(plan.bytes, limits.logFreeDiskBytesMin, (database) => {
      for (const { key, value } of plan.batches) database.put(key, value);
      database.put(endsKey, encodeOffsets(plan.ends));
    });
    ends = plan.ends;
    for (const partition of plan.partitions) marks.setEnd(partition, ends[partition]!);
    marks.announce();
    return plan.positions;
  }

  /** Removes some of the batches that lie wholly below. True: there are more. */
  async function trimSome(partition: number, below: number): Promise<boolean> {
    refresh();
    const target = Math.min(below, ends[partition]!);
    if (target <= starts[partition]!) return false;
    const bases = handle.read((database) => firstBases(database, partition, limits.logTrimBatchesMax + 1));
    // A batch ends where the next one begins.
    const removable = bases
      .slice(0, limits.logTrimBatchesMax)
      .filter((_, index) => (bases[index + 1] ?? ends[partition]!) <= target);
    const hasMore = removable.length === limits.logTrimBatchesMax && bases.length > removable.length;
    const moved = [...starts];
    moved[partition] = hasMore ? Math.max(starts[partition]!, bases[removable.length]!) : target;
    await write(0, limits.logTrimFreeDiskBytesMin, (database) => {
      for (const base of removable) database.remove(batchKey(partition, base));
      database.put(startsKey, encodeOffsets(moved));
    });
    starts = moved;
    marks.setStart(partition, moved[partition]);
    marks.announce();
    return hasMore;
  }

  async function trimNow(partition: number, below: number): Promise<void> {
    while (await inTurn(() => trimSome(partition, below))) {
      // An append that came meanwhile has its turn.
    }
  }

  refresh();
  return {
    partitions,
    lanes: 1,
    laneOf: () => 0,
    async append(records) {
      if (isClosed) throw closedError();
      for (const { partition } of records) assertPartition(partition, partitions);
      if (records.length === 0) return [];
      return inTurn(() => appendNow(records));
    },
    async trim(partition, below) {
      if (isClosed) throw closedError();
      assertPartition(partition, partitions);
      const trimmed = lastTrim.then(() => trimNow(partition, below));
      lastTrim = trimmed.catch(() => undefined);
      return trimmed;
    },
    async end() {
      isClosed = true;
      await lastTrim;
      await lastTurn;
    },
  };
}

interface AppendPlan {
  readonly batches: { readonly key: Buffer; readonly value: Buffer }[];
  /** Of all partitions, after the append. */
  readonly ends: number[];
  /** Those that get records. */
  readonly partitions: Iterable<number>;
  readonly positions: AppendedAt[];
  readonly bytes: number;
}

/** Places every record, and encodes those of a partition together. */
export function planAppend(records: readonly RecordToAppend[], ends: readonly number[], timestamp: number): AppendPlan {
  const nextEnds = [...ends];
  const positions = new Array<AppendedAt>(records.length);
  const valuesOf = new Map<number, Uint8Array[]>();
  for (let index = 0; index < records.length; index += 1) {
    const { partition, value } = records[index]!;
    const values = valuesOf.get(partition);
    if (values === undefined) valuesOf.set(partition, [value]);
    else values.push(value);
    positions[index] = { partition, offset: nextEnds[partition]! };
    nextEnds[partition]! += 1;
  }
  const batches: { key: Buffer; value: Buffer }[] = [];
  let bytes = 0;
  for (const [partition, values] of valuesOf) {
    let base = ends[partition]!;
    for (const part of splitBySize(values, limits.logBatchBytesMax)) {
      const value = encodeRecordBatch(part, timestamp);
      batches.push({ key: batchKey(partition, base), value });
      base += part.length;
      bytes += value.length;
    }
  }
  return { batches, ends: nextEnds, partitions: valuesOf.keys(), positions, bytes };
}

function splitBySize(values: readonly Uint8Array[], bytesMax: number): (readonly Uint8Array[])[] {
  const parts: (readonly Uint8Array[])[] = [];
  let first = 0;
  let bytes = 0;
  for (let index = 0; index < values.length; index += 1) {
    const added = encodedBytes(values[index]!);
    if (index > first && bytes + added > bytesMax) {
      parts.push(values.slice(first, index));
      first = index;
      bytes = 0;
    }
    bytes += added;
  }
  parts.push(first === 0 ? values : values.slice(first));
  return parts;
}

/** Values fill whole pages: small ones take twice their size at most, tree pages included. */
const pageRoundingMax = 2;

function assertFreeDisk(path: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize >= bytes) return;
  throw new UnavailableError(
    'disk_full',
    `the disk of ${path} is full: ${bavail * bsize} bytes are left, and ${bytes} are needed`,
  );
}

async function explain(error: unknown, path: string): Promise<UnavailableError> {
  const cause = await reasonOf(error);
  const reason = messageOf(cause);
  const code = /No space left|quota/i.test(reason) ? 'disk_full' : 'log_unavailable';
  return new UnavailableError(code, `the log ${path} can't be written: ${reason}`, { cause });
}

/** lmdb's error says only that a commit failed; the reason is a promise on it, which rejects. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    await error.commitError;
  } catch (reason) {
    return reason;
  }
  return error;
}
