/**
 * The servers' files, from Maven artifacts: fetched once for each user and kept in a cache that is named after the pom's
 * hash. Any number of processes may ask at once.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { chmod, copyFile, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { checkRequirements, platformOf, type StackAvailability, type StackPart } from './requirements.ts';
import { runCommand } from './run-command.ts';
import { isRoot } from './server-owner.ts';
import { waitUntil } from './wait-until.ts';

export const wholeStack: readonly StackPart[] = ['kafka', 'postgres-18', 'redis'];

const pom = join(import.meta.dirname, 'pom.xml');
/** A slow line fetches 54 MB for Kafka; several processes wait for one another. */
const fetchMs = 10 * 60_000;

/** Whether these parts are here or can be fetched. Quick: starts no server and asks no network. */
export function checkStack(parts: readonly StackPart[] = wholeStack): StackAvailability {
  return checkRequirements(parts.filter((part) => !existsSync(directoryOf(part))));
}

/** The directory with the part's files; fetched if this machine has not got them yet. */
export async function fetchPart(part: StackPart): Promise<string> {
  const directory = directoryOf(part);
  if (existsSync(directory)) return directory;
  const availability = checkRequirements([part]);
  if (!availability.available) throw new Error(`the native stack can't be started: ${availability.reason}`);
  await underLock(async () => {
    if (existsSync(directory)) return;
    const draft = mkdtempSync(join(cacheDirectory(), 'draft-'));
    try {
      await fill(draft, part);
      await rename(join(draft, 'files'), directory);
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
  return directory;
}

function directoryOf(part: StackPart): string {
  const hash = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 16);
  return join(cacheDirectory(), `${hash}-${part}`);
}

/**
 * PostgreSQL does not run as root, and its user can't look into root's home: root's cache is where the system keeps its own.
 */
function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME || (isRoot() ? '/var/cache' : join(homedir(), '.cache'));
  return join(base, 'event-stream-processor');
}

async function fill(draft: string, part: StackPart): Promise<void> {
  // Maven writes beside its pom, so it works on a copy.
  const files = join(draft, 'files');
  const draftPom = join(draft, 'pom.xml');
  await copyFile(pom, draftPom);
  await runCommand(
    [
      ...['mvn', '--quiet', '--batch-mode', '--file', draftPom],
      `--activate-profiles=${part.startsWith('postgres-') ? `postgres,${part}` : part}`,
      `-Dstack.platform=${platformOf(part)}`,
      `-Dstack.directory=${files}`,
      'generate-resources',
    ],
    { timeoutMs: fetchMs },
  );
  for (const name of await readdir(files)) {
    const path = join(files, name);
    if (part === 'redis') await chmod(path, 0o755);
    if (name.endsWith('.txz')) {
      await runCommand(['tar', '-xJf', path, '-C', files], { timeoutMs: fetchMs });
      await rm(path);
    }
  }
  await chmod(files, 0o755);
}

/** One process at a time. SQLite's lock, because the system frees it however its holder ends; Node has none of its own. */
async function underLock(work: () => Promise<void>): Promise<void> {
  mkdirSync(cacheDirectory(), { recursive: true });
  const lock = new DatabaseSync(join(cacheDirectory(), 'lock'), { timeout: 0 });
  try {
    await waitUntil(
      'another process to have fetched its part',
      () => {
        lock.exec('BEGIN EXCLUSIVE');
        return true;
      },
      { timeoutMs: fetchMs, everyMs: 100 },
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
