import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { UnavailableError } from '../../domain/failure.ts';
import type { LedgerSnapshot, PartitionProgress } from '../event-store.ts';
import { type ProgressRow, progressColumns, toProgress } from '../rows.ts';
import { allRows, firstRow, inSnapshot } from './connection.ts';
import { createCurrentLog } from './rows.ts';

export function createProgressReads(db: DatabaseSync) {
  const currentLog = createCurrentLog(db);
  const ofLog = db.prepare(
    `SELECT ${progressColumns} FROM progress WHERE consumer = ? AND log_no = ? ORDER BY partition`,
  );
  const ofAllLogs = db.prepare(`SELECT ${progressColumns} FROM progress WHERE consumer = ? ORDER BY log_no, partition`);
  const unsettled = db.prepare(`SELECT count(*) AS n FROM inbox WHERE consumer = ? AND state IN ('open', 'redriving')`);

  return {
    progress: (consumer: string): readonly PartitionProgress[] =>
      inSnapshot(db, () => {
        const log = currentLog();
        return log === null ? [] : allRows<ProgressRow>(ofLog, consumer, log.log_no).map(toProgress);
      }),
    ledger: (consumer: string): LedgerSnapshot =>
      inSnapshot(db, () => {
        const log = currentLog();
        return {
          logNo: log?.log_no ?? 0,
          logId: log?.log_id ?? null,
          partitions: allRows<ProgressRow>(ofAllLogs, consumer).map(toProgress),
          openInInbox: firstRow<{ n: number }>(unsettled, consumer)!.n,
        };
      }),
  };
}

/**
 * Brings everything that has been committed to stable storage. SQLite flushes the WAL only when it checkpoints;
 * flushing the file makes every transaction in it durable, whatever snapshots readers hold, and what a checkpoint has
 * moved out of it meanwhile was flushed by that. (Never open the database file itself like this: closing it would drop
 * SQLite's locks.)
 */
export async function flushWriteAheadLog(path: string): Promise<void> {
  try {
    await flush(`${path}-wal`);
    await flush(dirname(path));
  } catch (error) {
    // The file is there as long as a connection is open, and this one is.
    throw new UnavailableError('store_unavailable', `The store can not be flushed: ${String(error)}`, { cause: error });
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
