import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startPostgres } from './postgres.ts';
import { isRunning } from './process-table.ts';
import { startRedis } from './redis.ts';
import type { NativeServer } from './server-process.ts';
import { waitUntil } from './wait-until.ts';

/** A server, and how to leave a mark on it and read it. */
interface Subject {
  readonly server: NativeServer;
  write(value: string): Promise<void>;
  read(): Promise<string | null>;
}

async function postgresSubject(): Promise<Subject> {
  const server = await startPostgres();
  async function ask(sql: string, values: readonly string[] = []): Promise<string | null> {
    const client = new Client({ connectionString: server.url, connectionTimeoutMillis: 5_000, query_timeout: 2_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query(sql, [...values])).rows[0]?.value ?? null;
    } finally {
      await client.end();
    }
  }
  return {
    server,
    async write(value) {
      await ask('CREATE TABLE IF NOT EXISTS marks (value text)');
      await ask('DELETE FROM marks');
      await ask('INSERT INTO marks VALUES ($1)', [value]);
    },
    read: () => ask('SELECT value FROM marks'),
  };
}

async function redisSubject(): Promise<Subject> {
  const server = await startRedis({ settings: { appendfsync: 'always' } });
  async function ask(command: readonly string[]): Promise<string | null> {
    const client = createClient({
      url: server.url,
      socket: { reconnectStrategy: false, connectTimeout: 2_000, socketTimeout: 2_000 },
    });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }
  return {
    server,
    write: async (value) => void (await ask(['SET', 'mark', value])),
    read: () => ask(['GET', 'mark']),
  };
}

describe.each([
  ['PostgreSQL', postgresSubject],
  ['Redis', redisSubject],
])('%s of the native stack', (_name, create) => {
  let subject: Subject;

  beforeAll(async () => {
    subject = await create();
  });

  afterAll(async () => {
    const { directory } = subject.server;
    await subject.server.dispose();
    expect(existsSync(directory)).toBe(false);
  });

  it('keeps what it said it had over a kill, under another process id', async () => {
    const { server } = subject;
    await subject.write('before the kill');
    const pid = server.pid();
    await server.kill();
    expect(isRunning(pid)).toBe(false);
    expect(() => server.pid()).toThrow('does not run');
    await expect(subject.read()).rejects.toThrow();

    await server.start();
    expect(server.pid()).not.toBe(pid);
    expect(await subject.read()).toBe('before the kill');
  });

  it('keeps it over an orderly stop', async () => {
    const { server } = subject;
    await subject.write('before the stop');
    await server.stop();
    expect(server.isRunning()).toBe(false);
    await server.start();
    expect(await subject.read()).toBe('before the stop');
  });

  it('does not answer while it is suspended, and can be killed or stopped then too', async () => {
    const { server } = subject;
    await subject.write('before the silence');
    server.suspend();
    await expect(subject.read()).rejects.toThrow();
    server.resume();
    expect(await subject.read()).toBe('before the silence');

    server.suspend();
    await server.stop();
    await server.start();
    server.suspend();
    await server.kill();
    await server.start();
    expect(await subject.read()).toBe('before the silence');
  });

  it('goes back to a copy of its data', async () => {
    const { server } = subject;
    await subject.write('old');
    await expect(server.copyData()).rejects.toThrow('while it runs');
    await server.stop();
    const copy = await server.copyData();
    await server.start();
    await subject.write('new');

    await server.kill();
    await server.restoreData(copy);
    await server.start();
    expect(await subject.read()).toBe('old');
  });

  it('tells that it has ended, whoever ended it', async () => {
    const { server } = subject;
    const ended = server.untilEnded();
    process.kill(server.pid(), 'SIGKILL');
    await ended;
    expect(server.isRunning()).toBe(false);
    // PostgreSQL's other processes notice by themselves, and only then may it start again.
    await waitUntil('it to start again', async () => {
      await server.start();
      return true;
    });
  });
});

describe('PostgreSQL of the native stack', () => {
  it('runs in the major version that was asked for, never as root', async () => {
    await using server = await startPostgres({ major: 14, settings: { work_mem: '5MB' } });
    const client = new Client({ connectionString: server.url });
    await client.connect();
    const { rows } = await client.query(`SELECT current_setting('server_version_num')::int / 10000 AS major,
      current_setting('work_mem') AS work_mem, current_setting('fsync') AS fsync`);
    await client.end();
    expect(rows).toEqual([{ major: 14, work_mem: '5MB', fsync: 'on' }]);
    expect(statSync(join(server.directory, 'data', 'postmaster.pid')).uid).not.toBe(0);
  });

  it('does not let anybody in without the password', async () => {
    await using server = await startPostgres();
    const url = new URL(server.url);
    url.password = 'guess';
    await expect(new Client({ connectionString: url.href }).connect()).rejects.toThrow(
      'password authentication failed',
    );
  });
});

describe('a server that can not start', () => {
  it('says why, and leaves nothing behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'esp-failing-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    vi.stubEnv('TMPDIR', directory);
    onTestFinished(() => void vi.unstubAllEnvs());
    const starting = startRedis({ settings: { 'no-such-setting': 'yes' } });
    await expect(starting).rejects.toThrow(/^Redis ended before it answered:[\s\S]*no-such-setting/);
    expect(readdirSync(directory)).toEqual([]);
  });
});
