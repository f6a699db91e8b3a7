// Promise: `npm run stack` starts Kafka, PostgreSQL and Redis, says how to reach them, stops all three in order, and
// with --dir has the same data at the same addresses the next time.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { createClient } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isRunning } from '../../../src/testing/stack/process-table.ts';
import { cleanEnvironment, createTempDir, projectRoot, runCommand, waitFor } from '../harness.ts';

interface Started {
  readonly environment: { readonly KAFKA_BROKERS: string; readonly DATABASE_URL: string; readonly REDIS_URL: string };
  readonly pids: { readonly kafka: number; readonly postgres: number; readonly redis: number };
}

const command = [process.execPath, '--', join(projectRoot, 'scripts', 'stack.ts')];

/** Where these tests are run by root, PostgreSQL runs as another user and must get in. */
function createOpenDir(): string {
  const directory = createTempDir('stack');
  chmodSync(directory, 0o755);
  return directory;
}

async function startStack(
  args: readonly string[],
): Promise<{ child: ChildProcess; exited: Promise<unknown[]>; started: Started }> {
  const [file, ...rest] = command;
  const child = spawn(file!, [...rest, '--json', ...args], {
    cwd: projectRoot,
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const said = await Promise.race([
    once(child.stdout, 'data').then(([text]) => String(text)),
    exited.then(([code]) => Promise.reject(new Error(`the stack ended with ${code} before it stood`))),
  ]);
  return { child, exited, started: JSON.parse(said) };
}

async function inDatabase(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 10_000 });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

async function inRedis(url: string, request: readonly string[]): Promise<unknown> {
  const client = createClient({ url, socket: { reconnectStrategy: false, connectTimeout: 5_000 } });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.sendCommand(request);
  } finally {
    client.destroy();
  }
}

describe('npm run stack', () => {
  it('starts, stops in order on one signal, and comes back with its data', async () => {
    const directory = join(createOpenDir(), 'data');
    const envFile = join(createTempDir('stack'), 'stack.env');
    const first = await startStack(['--dir', directory, '--env-file', envFile]);
    const { DATABASE_URL, REDIS_URL } = first.started.environment;
    await inDatabase(DATABASE_URL, 'CREATE TABLE marks AS SELECT 1 AS mark');
    await inRedis(REDIS_URL, ['SET', 'mark', '1']);

    const lines = Object.entries(first.started.environment).map(([name, value]) => `${name}=${value}\n`);
    expect(readFileSync(envFile, 'utf8')).toBe(lines.join(''));
    expect(statSync(envFile).mode & 0o077).toBe(0);

    const another = await runCommand([...command, '--dir', directory]);
    expect(another).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('is in use by another stack'),
    });

    first.child.kill('SIGTERM');
    expect(await first.exited).toEqual([0, null]);
    for (const pid of Object.values(first.started.pids)) expect(isRunning(pid)).toBe(false);

    const second = await startStack(['--dir', directory]);
    expect(second.started.environment).toEqual(first.started.environment);
    expect(await inDatabase(DATABASE_URL, 'SELECT mark FROM marks')).toEqual([{ mark: 1 }]);
    expect(await inRedis(REDIS_URL, ['GET', 'mark'])).toBe('1');

    // Killed itself, it leaves nothing running.
    second.child.kill('SIGKILL');
    await second.exited;
    await waitFor('all three to be gone', () => !Object.values(second.started.pids).some(isRunning));
  });

  it('stops the others and fails when one ends by itself', async () => {
    const { exited, started } = await startStack([]);
    process.kill(started.pids.redis, 'SIGKILL');
    expect(await exited).toEqual([1, null]);
    for (const pid of Object.values(started.pids)) expect(isRunning(pid)).toBe(false);
  });

  it('says what is missing where there is no Java and no Maven', async () => {
    const outcome = await runCommand(command, {
      env: { PATH: '', JAVA_HOME: '', XDG_CACHE_HOME: createTempDir('cache') },
    });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(
      /missing: Java 17 or newer, Maven, xz\. Get them with `apt-get install [\s\S]*docker compose up/,
    );
  });

  it('knows wrong use', async () => {
    const outcome = await runCommand([...command, '--nonsense']);
    expect(outcome).toMatchObject({ code: 2, stderr: expect.stringContaining('usage: npm run stack') });
  });
});
