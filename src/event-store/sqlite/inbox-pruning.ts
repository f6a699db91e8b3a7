import type { DatabaseSync } from 'node:sqlite';
import { limits } from '../../domain/limits.ts';
import type { MaintenanceRequest } from '../event-store.ts';
import { allRows } from './connection.ts';
import type { MaintenanceWork } from './pruning.ts';

interface SettledRow {
  readonly id: string;
  readonly log_no: number;
  readonly counted_as: string;
}

/**
 * Removes a partition's inbox rows that were settled long ago, and counts them: verification compares both with
 * `failed`.
 */
export function createInboxPruning(db: DatabaseSync): (request: MaintenanceRequest) => MaintenanceWork {
  const settledBefore = `SELECT id, log_no, counted_as FROM inbox
    WHERE consumer = ?1 AND partition = ?2 AND settled_at < ?3`;
  const oldest = db.prepare(`${settledBefore} ORDER BY settled_at LIMIT ?4`);
  const oldestPublished = db.prepare(
    `${settledBefore} AND (log_no, log_offset) <= (
       SELECT log_no, log_offset FROM publications WHERE consumer = ?1 AND partition = ?2)
     ORDER BY settled_at LIMIT ?4`,
  );
  const remove = db.prepare('DELETE FROM inbox WHERE id = ?');
  const count = db.prepare(
    `INSERT INTO inbox_pruned (consumer, log_no, partition, counted_as, rows) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET rows = rows + excluded.rows`,
  );

  return ({ consumer, partition, pruneBefore, publishedOnly }) => {
    if (pruneBefore === null) return { rows: 0, more: false };
    const select = publishedOnly ? oldestPublished : oldest;
    const found = allRows<SettledRow>(select, consumer, partition, pruneBefore, limits.pruneFailedMax + 1);
    const rows = found.slice(0, limits.pruneFailedMax);
    for (const { id } of rows) remove.run(id);
    for (const [logNo, ofLog] of Map.groupBy(rows, (row) => row.log_no)) {
      for (const [countedAs, ofType] of Map.groupBy(ofLog, (row) => row.counted_as)) {
        count.run(consumer, logNo, partition, countedAs, ofType.length);
      }
    }
    return { rows: rows.length, more: found.length > rows.length };
  };
}

export function createJobPruning(db: DatabaseSync): (request: MaintenanceRequest) => MaintenanceWork {
  const remove = db.prepare(
    `DELETE FROM jobs WHERE id IN (
       SELECT id FROM jobs WHERE state <> 'running' AND updated_at < ? ORDER BY updated_at LIMIT ${limits.pruneJobsMax})`,
  );
  return ({ jobsEndedBefore }) => {
    const rows = jobsEndedBefore === null ? 0 : Number(remove.run(jobsEndedBefore).changes);
    return { rows, more: rows === limits.pruneJobsMax };
  };
}
