import type { DatabaseSync } from 'node:sqlite';
import type { Guard } from '../batch.ts';
import { type GuardFinding, judgeGuard } from '../progress-guard.ts';
import { type ProgressRow, progressColumns } from '../rows.ts';
import { firstRow } from './connection.ts';
import { createCurrentLog } from './rows.ts';

/** Reads progress inside the transaction that is about to write. */
export function createGuardCheck(db: DatabaseSync): (guard: Guard) => GuardFinding {
  const currentLog = createCurrentLog(db);
  const select = db.prepare(
    `SELECT ${progressColumns} FROM progress WHERE consumer = ? AND log_no = ? AND partition = ?`,
  );

  return (guard) => {
    const row = firstRow<ProgressRow>(select, guard.consumer, guard.logNo, guard.partition);
    return judgeGuard(guard, row, currentLog()?.log_no ?? null);
  };
}
