import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StartupError } from '../../domain/failure.ts';
import { acquireDirectoryLock } from './directory-lock.ts';

const source = `
  import { acquireDirectoryLock } from ${JSON.stringify(new URL('./directory-lock.ts', import.meta.url).href)};
  try {
    await acquireDirectoryLock(process.argv[1]);
    process.stdout.write('acquired\\n');
    setInterval(() => undefined, 1_000);
  } catch (error) {
    process.stdout.write(error.name + ': ' + error.message + '\\n');
  }
`;

describe('acquireDirectoryLock', () => {
  let parent: string;
  let directory: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'esp-lock-'));
    directory = join(parent, 'deep', 'data');
  });
  afterEach(async () => {
    for (const child of children.splice(0)) await kill(child);
    await rm(parent, { recursive: true });
  });

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** A process of its own that tries to lock the directory; answers what it said. */
  async function tryElsewhere(): Promise<{ child: ChildProcess; said: string }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', source, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    const [said] = await once(child.stdout!, 'data');
    return { child, said: String(said).trim() };
  }

  it('makes the directory and gives it up again', async () => {
    const lock = await acquireDirectoryLock(directory);
    await access(join(directory, 'owner.json'));
    await lock.release();
    await lock.release();
    await expect(access(join(directory, 'owner.json'))).rejects.toThrow();
    expect((await tryElsewhere()).said).toBe('acquired');
  });

  it('refuses a second process at once, and says who has it and what to do', async () => {
    const lock = await acquireDirectoryLock(directory);
    const { said } = await tryElsewhere();
    expect(said).toMatch(
      new RegExp(
        `^StartupError: ${directory} is in use by process ${process.pid} since \\d{4}-\\d\\d-\\d\\dT.*Z: ` +
          'stop it, or talk to it over HTTP \\(ESP_URL\\), or choose another ESP_DATA_DIR$',
      ),
    );
    await lock.release();
  });

  it('refuses this process a second time', async () => {
    const lock = await acquireDirectoryLock(directory);
    await expect(acquireDirectoryLock(directory)).rejects.toThrow(`in use by process ${process.pid}`);
    // The refused try must not have freed the lock of the process.
    expect((await tryElsewhere()).said).toMatch(/^StartupError/);
    await lock.release();
  });

  it('is freed by kill -9', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { child, said } = await tryElsewhere();
      expect(said).toBe('acquired');
      await expect(acquireDirectoryLock(directory)).rejects.toThrow(`in use by process ${child.pid} since`);
      await kill(child);
    }
    const lock = await acquireDirectoryLock(directory);
    await lock.release();
  });

  it('gives the directory to one of many that try at once', async () => {
    const tries = await Promise.all(Array.from({ length: 4 }, tryElsewhere));
    expect(tries.filter(({ said }) => said === 'acquired')).toHaveLength(1);
    expect(tries.filter(({ said }) => said.startsWith('StartupError:'))).toHaveLength(3);
  });

  it('says what is wrong with a place that is no directory', async () => {
    const file = join(parent, 'file');
    await writeFile(file, '');
    const refused = acquireDirectoryLock(file);
    await expect(refused).rejects.toBeInstanceOf(StartupError);
    await expect(refused).rejects.toThrow(/can't be used as data directory/);
  });
});
