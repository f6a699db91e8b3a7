import { randomUUID } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { ClaimRequest, PartitionProgress } from '../event-store.ts';
import { noProgressOn } from '../no-progress.ts';
import { type ProgressRow, progressColumns, toProgress } from '../rows.ts';
import { firstRow, inTransaction } from './connection.ts';
import { createCurrentLog } from './rows.ts';

export function createClaim(db: DatabaseSync, now: () => number): (request: ClaimRequest) => PartitionProgress {
  const currentLog = createCurrentLog(db);
  const insertLog = db.prepare(
    'INSERT INTO logs (log_no, log_id, adopted_at) VALUES (1, ?, ?) RETURNING log_no, log_id',
  );
  const takeOver = db.prepare(
    `UPDATE progress SET owner_epoch = owner_epoch + 1
     WHERE consumer = ? AND log_no = ? AND partition = ? RETURNING ${progressColumns}`,
  );
  const insert = db.prepare(
    `INSERT INTO progress (consumer, log_no, partition, log_id, base, next_offset, owner_epoch, commit_token)
     VALUES (?, ?, ?, ?, ?, ?, 1, ?) RETURNING ${progressColumns}`,
  );

  function claim({ consumer, partition, logId, logStart }: ClaimRequest): PartitionProgress {
    const log = currentLog() ?? firstRow<{ log_no: number; log_id: string }>(insertLog, logId, now())!;
    const taken = firstRow<ProgressRow>(takeOver, consumer, log.log_no, partition);
    if (taken !== null) return toProgress(taken);
    // Another log's start would be the wrong place to begin on this one for ever, so no row is made of it.
    if (log.log_id !== logId) return noProgressOn(log.log_no, log.log_id, { consumer, partition, logStart });
    const token = randomUUID();
    const made = firstRow<ProgressRow>(insert, consumer, log.log_no, partition, logId, logStart, logStart, token);
    return toProgress(made!);
  }

  return (request) => inTransaction(db, () => claim(request));
}
