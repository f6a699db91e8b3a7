import { limits } from '../../domain/limits.ts';
import type { MaintenanceRequest } from '../event-store.ts';
import type { Connection } from './connection.ts';
import type { MaintenanceWork } from './pruning.ts';
import { together } from './together.ts';

interface SettledRow {
  readonly id: string;
  readonly log_no: number;
  readonly counted_as: string;
}

/**
 * Removes a partition's inbox rows that were settled long ago, and counts them: verification compares both with
 * `failed`.
 */
export async function pruneInbox(
  connection: Connection,
  { consumer, partition, pruneBefore, publishedOnly }: MaintenanceRequest,
): Promise<MaintenanceWork> {
  if (pruneBefore === null) return { rows: 0, more: false };
  const isPublished = `AND (log_no, log_offset) <= (
    SELECT log_no, log_offset FROM publications WHERE consumer = $1 AND partition = $2)`;
  // Who asks for a row at this moment has it locked: it goes the next time.
  const found = await connection.rows<SettledRow>(
    `SELECT id, log_no, counted_as FROM inbox
     WHERE consumer = $1 AND partition = $2 AND settled_at < $3 ${publishedOnly ? isPublished : ''}
     ORDER BY settled_at LIMIT $4 FOR UPDATE SKIP LOCKED`,
    [consumer, partition, pruneBefore, limits.pruneFailedMax + 1],
  );
  const rows = found.slice(0, limits.pruneFailedMax);
  if (rows.length === 0) return { rows: 0, more: false };
  const counts = [...Map.groupBy(rows, ({ log_no, counted_as }) => JSON.stringify([log_no, counted_as])).values()];
  await together([
    connection.changes('DELETE FROM inbox WHERE id = ANY($1::text[])', [rows.map(({ id }) => id)]),
    connection.changes(
      `INSERT INTO inbox_pruned AS p (consumer, log_no, partition, counted_as, rows)
       SELECT $1, log_no, $2, counted_as, rows
       FROM unnest($3::integer[], $4::text[], $5::bigint[]) AS removed (log_no, counted_as, rows)
       ON CONFLICT ON CONSTRAINT inbox_pruned_of DO UPDATE SET rows = p.rows + excluded.rows`,
      [
        consumer,
        partition,
        counts.map(([first]) => first!.log_no),
        counts.map(([first]) => first!.counted_as),
        counts.map(({ length }) => length),
      ],
    ),
  ]);
  return { rows: rows.length, more: found.length > rows.length };
}

export async function pruneJobs(
  connection: Connection,
  { jobsEndedBefore }: MaintenanceRequest,
): Promise<MaintenanceWork> {
  if (jobsEndedBefore === null) return { rows: 0, more: false };
  const rows = await connection.changes(
    `DELETE FROM jobs WHERE id IN (
       SELECT id FROM jobs WHERE state <> 'running' AND updated_at < $1 ORDER BY updated_at LIMIT ${limits.pruneJobsMax})`,
    [jobsEndedBefore],
  );
  return { rows, more: rows === limits.pruneJobsMax };
}
