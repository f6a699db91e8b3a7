import { randomUUID } from 'node:crypto';
import type { ClaimRequest, PartitionProgress } from '../event-store.ts';
import { noProgressOn } from '../no-progress.ts';
import { type ProgressRow, progressColumns, toProgress } from '../rows.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';
import { isLockTimeout } from './errors.ts';
import { currentLog } from './rows.ts';
import { together } from './together.ts';

export interface ClaimOptions {
  readonly now: () => number;
  /** A copy whose client has been silent for longer is put an end to. */
  readonly silentMs: number;
}

export function createClaim(
  database: Pick<Database, 'write' | 'writeOf'>,
  { now, silentMs }: ClaimOptions,
): (request: ClaimRequest) => Promise<PartitionProgress> {
  const claim = (request: ClaimRequest) =>
    database.writeOf(request.partition, async (connection, { begun }) => {
      await begun;
      return claimPartition(connection, request, now());
    });

  return async (request) => {
    try {
      return await claim(request);
    } catch (error) {
      if (!(error instanceof Error && isLockTimeout(error.cause))) throw error;
      await database.write((connection) => endSilentCopies(connection, silentMs));
      return claim(request);
    }
  };
}

async function claimPartition(
  connection: Connection,
  { consumer, partition, logId, logStart }: ClaimRequest,
  at: number,
): Promise<PartitionProgress> {
  // Each statement sees what was committed before it, so the first of two that make the first log decides.
  const [, log, [taken]] = await together([
    connection.changes(
      `INSERT INTO logs (log_no, log_id, adopted_at) SELECT 1, $1, $2 WHERE NOT EXISTS (SELECT FROM logs)
       ON CONFLICT DO NOTHING`,
      [logId, at],
    ),
    currentLog(connection),
    connection.rows<ProgressRow>(
      `UPDATE progress SET owner_epoch = owner_epoch + 1
       WHERE consumer = $1 AND partition = $2 AND log_no = (SELECT max(log_no) FROM logs) RETURNING ${progressColumns}`,
      [consumer, partition],
    ),
  ]);
  if (taken !== undefined) return toProgress(taken);
  // Another log's start would be the wrong place to begin on this one for ever, so no row is made of it.
  if (log!.log_id !== logId) return noProgressOn(log!.log_no, log!.log_id, { consumer, partition, logStart });
  const [made] = await connection.rows<ProgressRow>(
    // Two first claims may race: the second takes over from the first.
    `INSERT INTO progress AS p (consumer, log_no, partition, log_id, base, next_offset, owner_epoch, commit_token)
     VALUES ($1, $2, $3, $4, $5, $5, 1, $6)
     ON CONFLICT ON CONSTRAINT progress_of DO UPDATE SET owner_epoch = p.owner_epoch + 1 RETURNING ${progressColumns}`,
    [consumer, log!.log_no, partition, logId, logStart, randomUUID()],
  );
  return toProgress(made!);
}

/**
 * A worker that froze half way through sending a batch keeps its locks: a server that waits for the rest of what it is
 * sent heeds no timeout of its own, only a signal. Its owner has lost the partition to this claim either way.
 */
async function endSilentCopies(connection: Connection, silentMs: number): Promise<void> {
  await connection.rows(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND usename = current_user AND state = 'active' AND wait_event = 'ClientRead'
       AND application_name = current_setting('application_name') AND query_start < clock_timestamp() - $1 * interval '1 millisecond'`,
    [silentMs],
  );
}
