import { spawnSync } from 'node:child_process';
import { chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { freePort } from './free-port.ts';
import { unprivilegedOwner } from './server-owner.ts';
import { type NativeServer, openWorkspace, startServerProcess } from './server-process.ts';

/** It is no Maven artifact: `apt-get install pgbouncer`. */
export function hasPgBouncer(): boolean {
  return spawnSync('pgbouncer', ['--version']).status === 0;
}

export interface PgBouncer extends NativeServer {
  /** Of the same database as the server's URL, with the same user. */
  readonly url: string;
}

/**
 * PgBouncer on 127.0.0.1, which gives one of a few connections to the server to one transaction at a time. Fewer than
 * the program would open by itself, so that transactions have to share.
 */
export async function startPgBouncer(serverUrl: string): Promise<PgBouncer> {
  const { hostname, port: serverPort, username, password, pathname } = new URL(serverUrl);
  const port = await freePort();
  const owner = unprivilegedOwner();
  const workspace = openWorkspace('pgbouncer', undefined, owner);
  const users = join(workspace.directory, 'users.txt');
  const configuration = join(workspace.directory, 'pgbouncer.ini');
  writeFileSync(users, `"${username}" "${decodeURIComponent(password)}"\n`, { mode: 0o600 });
  writeFileSync(
    configuration,
    [
      '[databases]',
      `* = host=${hostname} port=${serverPort}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      'default_pool_size = 3',
      '',
    ].join('\n'),
  );
  if (owner) for (const path of [users, configuration]) chownSync(path, owner.uid, owner.gid);
  const url = new URL(serverUrl);
  url.port = String(port);
  const server = await startServerProcess({
    name: 'PgBouncer',
    port,
    workspace,
    owner,
    command: ['pgbouncer', configuration],
    stopSignal: 'SIGINT',
    async answers() {
      const client = new Client({ connectionString: url.href, connectionTimeoutMillis: 5_000, query_timeout: 5_000 });
      client.on('error', () => {});
      try {
        await client.connect();
        return (await client.query('SELECT 1')).rowCount === 1;
      } finally {
        await client.end().catch(() => {});
      }
    },
  });
  return Object.assign(server, { url: `postgres://${username}:${password}@127.0.0.1:${port}${pathname}` });
}
