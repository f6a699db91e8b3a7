import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Client } from 'pg';
import { cachedDirectory } from './cache.ts';
import { freePort } from './free-port.ts';
import { fetchPart } from './maven.ts';
import type { PostgresMajor } from './requirements.ts';
import { runCommand } from './run-command.ts';
import { requireReachable, type ServerOwner, unprivilegedOwner } from './server-owner.ts';
import { type NativeServer, openWorkspace, startServerProcess } from './server-process.ts';

export interface PostgresOptions {
  readonly port?: number;
  /** Where it keeps its data; a temporary one by default. */
  readonly directory?: string;
  readonly major?: PostgresMajor;
  /** Any setting of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface PostgresServer extends NativeServer {
  /** Of the database `esp`, as its superuser `esp`, with the password. */
  readonly url: string;
  urlOf(database: string): string;
}

const user = 'esp';
/** Among PostgreSQL's own files, which does not mind. */
const passwordFile = 'esp-password';
/** Alone it takes 2 s, most of it waiting for the disk. */
const initialiseMs = 120_000;

/** PostgreSQL on 127.0.0.1, with its own durability settings (fsync on) and a password as in production. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const files = await fetchPart(`postgres-${options.major ?? 18}`);
  const owner = unprivilegedOwner();
  const template = await initialisedData(files, owner);
  const port = options.port ?? (await freePort());
  const workspace = openWorkspace('postgres', options.directory, owner);
  const data = join(workspace.directory, 'data');
  // The directory may be of an earlier start, whose password is not that of the template.
  const password = readFileSync(join(existsSync(data) ? data : template, passwordFile), 'utf8');
  const urlOf = (database: string) => `postgres://${user}:${password}@127.0.0.1:${port}/${database}`;
  const server = await startServerProcess({
    name: 'PostgreSQL',
    port,
    workspace,
    template,
    owner,
    command: [join(files, 'bin', 'postgres'), '-D', data, ...toArguments(port, options.settings)],
    // Fast shutdown; SIGTERM would wait for every client to leave.
    stopSignal: 'SIGINT',
    answers: () => answersQuery(urlOf('postgres')),
  });
  await makeDatabase(urlOf('postgres'), user);
  return Object.assign(server, { url: urlOf(user), urlOf });
}

function toArguments(port: number, settings: PostgresOptions['settings'] = {}): string[] {
  const all: Record<string, string | number> = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    // Many test files at once, each with a pool of its own.
    max_connections: 200,
    log_min_messages: 'warning',
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/**
 * What initdb makes, with a password, because the address is open to every user of the machine. The password stays with
 * the data, which only its owner can read.
 */
async function initialisedData(files: string, owner: ServerOwner | null): Promise<string> {
  const cached = await cachedDirectory(
    `${basename(files)}-initialised${owner ? `-${owner.name}` : ''}`,
    async (draft) => {
      const data = join(draft, 'data');
      const passwordSource = join(draft, passwordFile);
      writeFileSync(passwordSource, randomBytes(18).toString('base64url'), { mode: 0o600 });
      mkdirSync(data, { mode: 0o700 });
      if (owner) {
        requireReachable(files, owner);
        requireReachable(draft, owner);
        for (const path of [passwordSource, data]) chownSync(path, owner.uid, owner.gid);
      }
      await runCommand(
        [
          ...[join(files, 'bin', 'initdb'), '-D', data, '-U', user, '--pwfile', passwordSource],
          ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-locale'],
        ],
        { cwd: draft, env: { LC_ALL: 'C', TZ: 'UTC' }, owner, timeoutMs: initialiseMs },
      );
      renameSync(passwordSource, join(data, passwordFile));
    },
  );
  return join(cached, 'data');
}

async function withClient<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 30_000 });
  // A server that goes away while it is asked is told by the query itself.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function answersQuery(url: string): Promise<boolean> {
  return withClient(url, async (client) => (await client.query('SELECT 1')).rowCount === 1);
}

/** Makes the database where there is none of that name yet; `url` may be of any database of the server. */
export async function makeDatabase(url: string, name: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  });
}
