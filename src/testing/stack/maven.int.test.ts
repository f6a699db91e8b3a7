import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fetchPart } from './maven.ts';

const run = promisify(execFile);
const source = `
  import { fetchPart } from ${JSON.stringify(join(import.meta.dirname, 'maven.ts'))};
  process.stdout.write(await fetchPart('redis'));
`;

describe('fetching from Maven', () => {
  // Maven, and perhaps a slow line.
  const timeout = 300_000;

  it('several processes at once get one directory, and clean up after one that was killed', { timeout }, async () => {
    const cache = mkdtempSync(join(tmpdir(), 'esp-cache-'));
    onTestFinished(() => rmSync(cache, { recursive: true }));
    mkdirSync(join(cache, 'event-stream-processor', 'draft-left-behind', 'files'), { recursive: true });

    const processes = Array.from({ length: 3 }, () =>
      run(process.execPath, ['--input-type=module', '-e', source], { env: { ...process.env, XDG_CACHE_HOME: cache } }),
    );
    const directories = new Set((await Promise.all(processes)).map(({ stdout }) => stdout));

    expect(directories.size).toBe(1);
    const [directory] = directories;
    expect(readdirSync(directory!)).toEqual([expect.stringMatching(/^redis-server-7\.0\.15-/)]);
    const kept = readdirSync(join(cache, 'event-stream-processor'));
    expect(kept.filter((name) => name !== 'lock')).toEqual([expect.stringMatching(/^[0-9a-f]{16}-redis$/)]);
  });

  it('what has been fetched is not fetched again', async () => {
    expect(await fetchPart('redis')).toBe(await fetchPart('redis'));
  });
});
