import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withDatabase } from '../parts/servers.ts';

const copyMs = 300_000;

export interface CopyRate {
  readonly rowsPerSecond: number;
  /** Whether the rows came from a client over its connection, or the server read them from a file of its own. */
  readonly by: 'psql \\copy' | 'COPY by the server, since there is no psql';
}

/**
 * The rows that the product has stored, brought into a table of the same columns and indexes over one connection: no
 * parsing of events, no second table. They are written to a file before, and the clock leaves out starting and
 * connecting.
 */
export async function copyRate(databaseUrl: string, directory: string): Promise<CopyRate> {
  await withDatabase(databaseUrl, async (client) => {
    await client.query('CREATE TABLE copied (LIKE events INCLUDING ALL)');
  });
  const hasPsql = spawnSync('psql', ['--version']).status === 0;
  return hasPsql ? copyByClient(databaseUrl, join(directory, 'rows')) : copyByServer(databaseUrl);
}

async function copyByClient(databaseUrl: string, file: string): Promise<CopyRate> {
  const run = async (...commands: string[]) => {
    const args = ['--no-psqlrc', '--set', 'ON_ERROR_STOP=1', ...commands.flatMap((text) => ['--command', text])];
    const { stdout } = await promisify(execFile)('psql', [...args, databaseUrl], { timeout: copyMs });
    return stdout;
  };
  await run(`\\copy events TO '${file}'`);
  await checkpoint(databaseUrl);
  const output = await run('\\timing on', `\\copy copied FROM '${file}'`);
  const [, rows, ms] = /COPY (\d+)\s+Time: ([\d.]+) ms/.exec(output) ?? [];
  if (rows === undefined || ms === undefined) throw new Error(`psql told no time:\n${output}`);
  return { rowsPerSecond: Number(rows) / (Number(ms) / 1000), by: 'psql \\copy' };
}

async function copyByServer(databaseUrl: string): Promise<CopyRate> {
  return withDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query("SELECT current_setting('data_directory') AS directory");
    const file = client.escapeLiteral(`${rows[0].directory}/bench-rows`);
    await client.query(`COPY events TO ${file}`);
    await client.query('CHECKPOINT');
    const startedAt = performance.now();
    const { rowCount } = await client.query(`COPY copied FROM ${file}`);
    const rowsPerSecond = rowCount! / ((performance.now() - startedAt) / 1000);
    return { rowsPerSecond, by: 'COPY by the server, since there is no psql' };
  });
}

/** What others have left to be written back is not to be waited for by who comes next. */
export async function checkpoint(databaseUrl: string): Promise<void> {
  await withDatabase(databaseUrl, (client) => client.query('CHECKPOINT'));
}
