import { existsSync, mkdirSync } from 'node:fs';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartupError } from '../../domain/failure.ts';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** Who holds the lock: only for the message to the next one. The lock itself is `lock`. */
interface Owner {
  readonly pid: number;
  readonly startedAt: string;
}

/**
 * Makes this process the owner of a data directory (made where there is none), or throws StartupError at once.
 *
 * The lock is SQLite's exclusive lock on the file `lock`, never written to: Node has no file locks of its own, and
 * those that SQLite takes belong to the process, so the system frees them however it ends. The file stays; to remove it
 * would let two processes lock two files of one name. Nothing else in the process may open `lock`: closing it would
 * free the lock.
 */
export async function acquireDirectoryLock(directory: string): Promise<DirectoryLock> {
  const ownerPath = join(directory, 'owner.json');
  const database = openLock(directory);
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw unusable(directory, error);
    throw new StartupError(await describeOwner(directory, ownerPath), { cause: error });
  }
  try {
    const owner: Owner = { pid: process.pid, startedAt: new Date().toISOString() };
    const draftPath = `${ownerPath}.new`;
    await writeFile(draftPath, `${JSON.stringify(owner)}\n`);
    await rename(draftPath, ownerPath);
  } catch (error) {
    database.close();
    throw unusable(directory, error);
  }
  return {
    async release() {
      if (!database.isOpen) return;
      await rm(ownerPath, { force: true });
      database.close();
    },
  };
}

function openLock(directory: string): DatabaseSync {
  try {
    makeDirectory(directory);
    // No waiting: an owner keeps the directory as long as it runs.
    return new DatabaseSync(join(directory, 'lock'), { timeout: 0 });
  } catch (error) {
    throw unusable(directory, error);
  }
}

/**
 * Not mkdir's own `recursive`: where a file system answers ENOENT although the parent is there, as /proc does, that
 * never ends and holds the thread.
 */
function makeDirectory(directory: string): void {
  if (existsSync(directory)) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectory(parent);
  try {
    mkdirSync(directory);
  } catch (error) {
    // Another process that starts at the same moment made it.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function describeOwner(directory: string, ownerPath: string): Promise<string> {
  const owner = await readOwner(ownerPath);
  const who = owner === null ? 'another process' : `process ${owner.pid} since ${owner.startedAt}`;
  return `${directory} is in use by ${who}: stop it, or talk to it over HTTP (ESP_URL), or choose another ESP_DATA_DIR`;
}

async function readOwner(ownerPath: string): Promise<Owner | null> {
  try {
    const owner: unknown = JSON.parse(await readFile(ownerPath, 'utf8'));
    return isOwner(owner) ? owner : null;
  } catch {
    return null;
  }
}

function isOwner(value: unknown): value is Owner {
  return typeof value === 'object' && value !== null && 'pid' in value && 'startedAt' in value;
}

/** SQLITE_BUSY and its extended codes. */
function isBusy(error: unknown): boolean {
  return (
    error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' && (error.errcode & 0xff) === 5
  );
}

function unusable(directory: string, error: unknown): StartupError {
  const reason = error instanceof Error ? error.message : String(error);
  return new StartupError(
    `${directory} can't be used as data directory (${reason}): check that it is a directory this user may write to, ` +
      'or choose another ESP_DATA_DIR',
    { cause: error },
  );
}
