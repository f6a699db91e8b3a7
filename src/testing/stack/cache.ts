/**
 * Directories that are filled once for each user and kept: what comes from Maven, and servers' data as it is before
 * their first start. Any number of processes may ask at once; whatever is removed here is made again.
 */
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { chmod, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isRoot } from './server-owner.ts';
import { waitUntil } from './wait-until.ts';

/** A slow line fetches 54 MB for Kafka, and several processes wait for one another. */
export const fillMs = 10 * 60_000;

/**
 * PostgreSQL does not run as root, and its user can't look into root's home: root's cache is where the system keeps its
 * own.
 */
function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME || (isRoot() ? '/var/cache' : join(homedir(), '.cache'));
  return join(base, 'event-stream-processor');
}

export function isCached(name: string): boolean {
  return existsSync(join(cacheDirectory(), name));
}

/** The directory of that name; made by `fill` if it is not there yet. Half-filled it is never seen. */
export async function cachedDirectory(name: string, fill: (draft: string) => Promise<void>): Promise<string> {
  const directory = join(cacheDirectory(), name);
  if (existsSync(directory)) return directory;
  await underLock(async () => {
    if (existsSync(directory)) return;
    const draft = mkdtempSync(join(cacheDirectory(), 'draft-'));
    try {
      await chmod(draft, 0o755);
      await fill(draft);
      await rename(draft, directory);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
  return directory;
}

/**
 * One process at a time. SQLite's lock, because the system frees it however its holder ends; Node has none of its own.
 */
async function underLock(work: () => Promise<void>): Promise<void> {
  mkdirSync(cacheDirectory(), { recursive: true });
  const lock = new DatabaseSync(join(cacheDirectory(), 'lock'), { timeout: 0 });
  try {
    await waitUntil(
      'another process to have filled its part of the cache',
      () => {
        lock.exec('BEGIN EXCLUSIVE');
        return true;
      },
      { timeoutMs: fillMs, everyMs: 100 },
    );
    await removeDrafts();
    await work();
  } finally {
    lock.close();
  }
}

/** Of processes that were killed over their work: whoever holds the lock is the only one with a draft. */
async function removeDrafts(): Promise<void> {
  for (const name of await readdir(cacheDirectory())) {
    if (name.startsWith('draft-')) await rm(join(cacheDirectory(), name), { recursive: true, force: true });
  }
}
