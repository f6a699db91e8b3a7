/**
 * The servers' files, from Maven artifacts. The cache is named after the pom's hash, so that another version is
 * fetched.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { chmod, copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cachedDirectory, fillMs, isCached } from './cache.ts';
import { checkRequirements, platformOf, type StackAvailability, type StackPart } from './requirements.ts';
import { runCommand } from './run-command.ts';

export const wholeStack: readonly StackPart[] = ['kafka', 'postgres-18', 'redis'];

const pom = join(import.meta.dirname, 'pom.xml');

/** Whether these parts are here or can be fetched. Quick: starts no server and asks no network. */
export function checkStack(parts: readonly StackPart[] = wholeStack): StackAvailability {
  return checkRequirements(parts.filter((part) => !isCached(nameOf(part))));
}

/** The directory with the part's files; fetched if this machine has not got them yet. */
export async function fetchPart(part: StackPart): Promise<string> {
  return cachedDirectory(nameOf(part), (draft) => fetch(part, draft));
}

function nameOf(part: StackPart): string {
  const hash = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 16);
  return `${hash}-${part}`;
}

async function fetch(part: StackPart, directory: string): Promise<void> {
  const availability = checkRequirements([part]);
  if (!availability.available) throw new Error(`the native stack can't be started: ${availability.reason}`);
  await runMaven(part, directory);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (part === 'redis') await chmod(path, 0o755);
    if (name.endsWith('.txz')) {
      await runCommand(['tar', '-xJf', path, '-C', directory], { timeoutMs: fillMs });
      await rm(path);
    }
  }
}

/** Maven writes beside its pom, so it works on a copy. */
async function runMaven(part: StackPart, directory: string): Promise<void> {
  const place = await mkdtemp(join(tmpdir(), 'esp-maven-'));
  try {
    await copyFile(pom, join(place, 'pom.xml'));
    await runCommand(
      [
        ...['mvn', '--quiet', '--batch-mode', '--file', join(place, 'pom.xml')],
        `--activate-profiles=${part.startsWith('postgres-') ? `postgres,${part}` : part}`,
        `-Dstack.platform=${platformOf(part)}`,
        `-Dstack.directory=${directory}`,
        'generate-resources',
      ],
      { timeoutMs: fillMs },
    );
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
