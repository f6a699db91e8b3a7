import { randomUUID } from 'node:crypto';
import type { LedgerSnapshot, PartitionProgress } from '../event-store.ts';
import { type ProgressRow, progressColumns, toProgress } from '../rows.ts';
import type { Connection } from './connection.ts';
import { currentLog } from './rows.ts';
import { statement } from './statement.ts';
import { together } from './together.ts';

/** Of the consumer's current log. */
export async function readProgress(connection: Connection, consumer: string): Promise<readonly PartitionProgress[]> {
  const rows = await connection.rows<ProgressRow>(progressOfLog, [consumer]);
  return rows.map(toProgress);
}

const progressOfLog = statement(
  `SELECT ${progressColumns} FROM progress
   WHERE consumer = $1 AND log_no = (SELECT max(log_no) FROM logs) ORDER BY partition`,
);

/** Of every log. */
export async function readHistory(connection: Connection, consumer: string): Promise<readonly PartitionProgress[]> {
  const rows = await connection.rows<ProgressRow>(
    `SELECT ${progressColumns} FROM progress WHERE consumer = $1 ORDER BY log_no, partition`,
    [consumer],
  );
  return rows.map(toProgress);
}

export async function readLedger(connection: Connection, consumer: string): Promise<LedgerSnapshot> {
  const [log, partitions, [unsettled]] = await together([
    currentLog(connection),
    readHistory(connection, consumer),
    connection.rows<{ n: number }>(
      `SELECT count(*) AS n FROM inbox WHERE consumer = $1 AND state IN ('open', 'redriving')`,
      [consumer],
    ),
  ]);
  return { logNo: log?.log_no ?? 0, logId: log?.log_id ?? null, partitions, openInInbox: unsettled!.n };
}

/**
 * Writes to every disk that a batch needs, and leaves nothing behind. Its commit waits for the write-ahead log up to
 * its own record, so whatever was seen committed before is durable then, also where `synchronous_commit` is off for
 * everybody.
 */
export async function writeThrough(connection: Connection): Promise<void> {
  const id = `probe-${randomUUID()}`;
  await together([
    connection.run('SET LOCAL synchronous_commit = on'),
    connection.changes(
      `INSERT INTO jobs (id, kind, state, total, done, failed, created_at, updated_at)
       VALUES ($1, 'probe', 'probe', 0, 0, 0, 0, 0)`,
      [id],
    ),
    connection.changes('DELETE FROM jobs WHERE id = $1', [id]),
  ]);
}
