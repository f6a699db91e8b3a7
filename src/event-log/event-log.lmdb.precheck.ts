import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { StartupError } from '../domain/failure.ts';

/**
 * What must be looked at before LMDB opens the file: this build of it does not answer with an error but ends the process,
 * by SIGSEGV where opening fails, and by SIGBUS where it touches mapped memory that the file or the disk has no room for.
 */
export function precheckFiles(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const bytes = sizeOf(path);
    if (bytes === 0) assertRoom(path);
    else assertLogFile(path, bytes);
    fillLockFile(`${path}-lock`);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    throw new StartupError(
      `${path} can't be opened as an event log: ${error instanceof Error ? error.message : error}`,
      {
        cause: error,
      },
    );
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Room for an empty log and its lock file. */
const emptyLogBytes = 1024 * 1024;

function assertRoom(path: string): void {
  const { bavail, bsize } = statfsSync(dirname(path));
  if (bavail * bsize >= emptyLogBytes) return;
  throw new StartupError(`${dirname(path)} has no room for an event log: free some, or choose another ESP_DATA_DIR`);
}

/** The first page of an LMDB file (format 2 of LMDB 1.0): a page header, then the fields at these places, little-endian. */
const metaPage = {
  bytes: 168,
  magicAt: 24,
  versionAt: 28,
  pageBytesAt: 48,
  lastPageAt: 144,
  transactionAt: 152,
} as const;
const magic = 0xbeefc0de;
const versionKnown = 2;
/** LMDB need not write the last pages it counts, if it freed them at once: some dozens at most. */
const unwrittenBytesMax = 1024 * 1024;

function assertLogFile(path: string, bytes: number): void {
  const descriptor = openSync(path, 'r+');
  try {
    const [first, pageBytes] = readMetaPage(descriptor, path, 0);
    const [second] = readMetaPage(descriptor, path, pageBytes);
    const newest =
      second.readBigUInt64LE(metaPage.transactionAt) > first.readBigUInt64LE(metaPage.transactionAt) ? second : first;
    const expected = (Number(newest.readBigUInt64LE(metaPage.lastPageAt)) + 1) * pageBytes;
    if (bytes >= expected) return;
    if (expected - bytes > unwrittenBytesMax) {
      throw new StartupError(
        `${path} was cut off: it has ${bytes} bytes of ${expected}. Restore it from a backup, or start with another ESP_DATA_DIR`,
      );
    }
    // Zeros are told from records; a place behind the end of the file can't be read at all.
    ftruncateSync(descriptor, expected);
  } finally {
    closeSync(descriptor);
  }
}

function readMetaPage(descriptor: number, path: string, at: number): [page: Buffer, pageBytes: number] {
  const page = Buffer.alloc(metaPage.bytes);
  const read = readSync(descriptor, page, 0, page.length, at);
  const pageBytes = page.readUInt32LE(metaPage.pageBytesAt);
  const isLmdb = read === page.length && page.readUInt32LE(metaPage.magicAt) === magic;
  if (!isLmdb || page.readUInt16LE(metaPage.versionAt) !== versionKnown || pageBytes < 512 || pageBytes > 65_536) {
    throw new StartupError(
      `${path} can't be opened as an event log: it is no LMDB file of a known version. ` +
        'Restore it from a backup, or start with another ESP_DATA_DIR',
    );
  }
  return [page, pageBytes];
}

/** LMDB would leave it a hole, and on a full disk a first write to that ends the process. */
function fillLockFile(path: string): void {
  if (sizeOf(path) === 0) writeFileSync(path, Buffer.alloc(16 * 1024));
}

/** How much address space may be taken: where it is limited, the file's map starts small and grows. */
export function mapBytesAllowed(wanted: number): number {
  const limitedBytes = 256 * 1024 * 1024;
  try {
    const limit = /^Max address space\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined || limit === 'unlimited' ? wanted : Math.min(wanted, limitedBytes);
  } catch {
    // Not Linux: there is no such limit that anybody sets.
    return wanted;
  }
}
