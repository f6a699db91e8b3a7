import { randomBytes, randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, readSync, statSync, write } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { constants as systemConstants } from 'node:os';
import { dirname, join } from 'node:path';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  newGroupsAt,
  type SegmentHeader,
  saltBytes,
  segmentHeaderBytes,
  segmentHeaderBytesOf,
} from './format.ts';

/**
 * The files of the embedded log: `000000000001.segment`, `000000000002.segment`, … in a directory of its own, and one
 * that says what was given up of it. A file is made under another name and gets its own when it is on disk, so what has
 * the name is whole. Files of any other name are nobody's: they are left alone.
 */
const suffix = '.segment';
const unfinishedName = 'unfinished';
export const givenUpName = 'given-up.json';
const nameDigits = 12;
const segmentName = new RegExp(`^(?!0+\\.)\\d{${nameDigits}}\\${suffix}$`);

export function segmentPath(directory: string, number: number): string {
  return join(directory, nameOf(number));
}

function nameOf(number: number): string {
  return `${String(number).padStart(nameDigits, '0')}${suffix}`;
}

export interface LogFiles {
  /** Oldest first. */
  readonly segments: readonly SegmentHeader[];
  readonly isAnyGivenUp: boolean;
  /** Names that the log has no use for. */
  readonly strays: readonly string[];
}

/** What is there. Makes the directory and the first segment where there is none. Throws StartupError. */
export async function openSegments(directory: string, partitions: number): Promise<LogFiles> {
  try {
    await mkdir(directory, { recursive: true });
    await rm(join(directory, unfinishedName), { force: true });
    const names = await readdir(directory);
    const numbers = names.filter((name) => segmentName.test(name)).map((name) => Number(name.slice(0, nameDigits)));
    return {
      segments: await openNumbered(directory, numbers, partitions),
      isAnyGivenUp: names.includes(givenUpName),
      strays: names.filter((name) => !segmentName.test(name) && name !== givenUpName),
    };
  } catch (error) {
    throw notOpened(directory, error);
  }
}

async function openNumbered(
  directory: string,
  numbers: readonly number[],
  partitions: number,
): Promise<readonly SegmentHeader[]> {
  if (numbers.length === 0) return [await createFirst(directory, partitions)];
  // A process that was killed may have left names, of a segment or of a new directory, that are not on disk yet.
  await flushDirectories(directory);
  const oldestFirst = numbers.toSorted((a, b) => a - b);
  const segments = oldestFirst.map((number) => readHeader(directory, number, partitions));
  const found = segments.filter((header) => header !== null);
  assertWhole(directory, found, partitions);
  return found;
}

async function createFirst(directory: string, partitions: number): Promise<SegmentHeader> {
  const header: SegmentHeader = {
    logId: randomUUID(),
    number: 1,
    previousBytes: 0,
    sequence: 1,
    salt: randomBytes(saltBytes),
    starts: new Array(partitions).fill(0),
    ends: new Array(partitions).fill(0),
    groupsAt: newGroupsAt(partitions),
  };
  await createSegment(directory, header);
  await flushDirectories(directory);
  return header;
}

/** The directory may be new, and the one it lies in too. */
async function flushDirectories(directory: string): Promise<void> {
  for (const path of [directory, dirname(directory), dirname(dirname(directory))]) await flushDirectory(path);
}

/** Durable, name and all, when it resolves. May be called again after it failed. */
export function createSegment(directory: string, header: SegmentHeader): Promise<void> {
  return writeWhole(directory, nameOf(header.number), encodeSegmentHeader(header));
}

/** There is all of it under this name, or none. Durable when it resolves. */
export async function writeWhole(directory: string, name: string, bytes: Buffer): Promise<void> {
  const path = join(directory, unfinishedName);
  const file = await open(path, 'w');
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(path, join(directory, name));
  await flushDirectory(directory);
}

/** A name must outlive a power cut too. */
async function flushDirectory(directory: string): Promise<void> {
  // Windows has no way to ask for it, and keeps names in a journal of its own.
  if (process.platform === 'win32') return;
  try {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!cannotBeAsked.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** A directory above the log may be another user's, and some network file systems flush no directories. */
const cannotBeAsked: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EINVAL', 'ENOTSUP']);

/** Null where there is no such segment. Throws StartupError for a file that is none, and whatever reading it throws. */
export function readHeader(directory: string, number: number, partitions: number): SegmentHeader | null {
  const path = segmentPath(directory, number);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const header = readFirstCopy(file) ?? readSecondCopy(file, segmentHeaderBytes(partitions));
    if (header?.number !== number) throw unusable(path, 'it is no segment of a known format');
    return header;
  } finally {
    closeAnyhow(file);
  }
}

/** It says itself how long it is: the log may have been made with another number of partitions. */
function readFirstCopy(file: number): SegmentHeader | null {
  const length = segmentHeaderBytesOf(readBytes(file, 0, 4096));
  return length === null ? null : decodeSegmentHeader(readBytes(file, 0, length));
}

function readSecondCopy(file: number, length: number): SegmentHeader | null {
  return decodeSegmentHeader(readBytes(file, length, length));
}

/** However it is answered, the descriptor is gone: to close it again could hit somebody else's file. */
export function closeAnyhow(file: number): void {
  try {
    closeSync(file);
  } catch {
    // It was only read, or what was written is flushed.
  }
}

function readBytes(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readFully(file, bytes, position));
}

/** One read may bring less than there is. @returns how many bytes there were */
export function readFully(file: number, into: Buffer, position: number): number {
  let done = 0;
  while (done < into.length) {
    const more = readSync(file, into, done, into.length - done, position + done);
    if (more === 0) break;
    done += more;
  }
  return done;
}

/** One write may take less than it was given. */
export function writeFully(file: number, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let done = 0;
    function next(): void {
      if (done === bytes.length) resolve();
      else write(file, bytes, done, bytes.length - done, position + done, onWritten);
    }
    function onWritten(error: Error | null, written: number): void {
      done += written;
      if (error) reject(error);
      else if (written === 0) reject(new Error('the disk takes nothing'));
      else next();
    }
    next();
  });
}

function assertWhole(directory: string, segments: readonly SegmentHeader[], partitions: number): void {
  const made = segments[0]!.ends.length;
  if (made !== partitions) {
    throw new StartupError(
      `${directory} was made with ${made} partitions, and ESP_PARTITIONS says ${partitions}: ` +
        `set ESP_PARTITIONS=${made}, or start with another ESP_DATA_DIR`,
    );
  }
  for (const [index, next] of segments.entries()) {
    const before = segments[index - 1];
    if (before === undefined) continue;
    if (next.logId !== before.logId)
      throw unusable(directory, `segments ${before.number} and ${next.number} are of two logs`);
    if (next.number !== before.number + 1) throw unusable(directory, `segment ${before.number + 1} is missing`);
    const path = segmentPath(directory, before.number);
    const bytes = statSync(path).size;
    if (bytes < next.previousBytes) {
      throw unusable(path, `it was cut off: it has ${bytes} bytes of ${next.previousBytes}`);
    }
  }
}

export async function removeSegment(directory: string, number: number): Promise<void> {
  await rm(segmentPath(directory, number), { force: true });
}

/**
 * Linux flushes with the write what is opened like this, which saves a system call and a turn through the thread pool
 * for each append (measured: 15 to 20 % of its time). Elsewhere the writer flushes in a call of its own: macOS needs
 * more than this flag promises to get through the disk's cache, and Windows does not have it.
 */
export const flushesByWriting = process.platform === 'linux';
export const writingFlags = constants.O_RDWR | (flushesByWriting ? constants.O_DSYNC : 0);

export function unusable(path: string, reason: string): StartupError {
  return new StartupError(
    `${path} can't be opened as an event log: ${reason}. Restore it from a backup, or start with another ESP_DATA_DIR`,
  );
}

/** What a start tells of an error: damage as it was found, and what the system refuses as that, since it may pass. */
export function notOpened(path: string, error: unknown): StartupError {
  if (error instanceof StartupError) return error;
  return new StartupError(
    `${path} can't be opened as an event log: ${messageOf(error)}. See to the disk and to what this user may do there, and start again`,
    { cause: error },
  );
}

/** No space left on the disk, or none for this user; for the latter Node has no name. */
export function isNoSpace(error: unknown): boolean {
  const { code, errno } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || errno === -systemConstants.errno.EDQUOT;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function assertPartition(partition: number, partitions: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return;
  throw new RangeError(`the log has partitions 0 to ${partitions - 1}, and no ${partition}`);
}

export function closedError(): UnavailableError {
  return new UnavailableError('log_closed', 'the log is closed');
}
