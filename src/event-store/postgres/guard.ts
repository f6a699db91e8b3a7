import type { Guard } from '../batch.ts';
import { type GuardFinding, judgeGuard } from '../progress-guard.ts';
import { type ProgressRow, progressColumns } from '../rows.ts';
import type { Connection } from './connection.ts';
import { currentLog } from './rows.ts';
import { type Statement, statement } from './statement.ts';
import { together } from './together.ts';

/** Locks the progress row, so that what is found stays true until the transaction ends. */
export async function checkGuard(connection: Connection, guard: Guard): Promise<GuardFinding> {
  const [[row], log] = await together([
    connection.rows<ProgressRow>(lockProgress, [guard.consumer, guard.logNo, guard.partition]),
    // Behind the lock: adopting a log takes the same one, so from then on no batch of the former log gets through.
    currentLog(connection),
  ]);
  return judgeGuard(guard, row ?? null, log?.log_no ?? null);
}

const lockProgress = statement(
  `SELECT ${progressColumns} FROM progress WHERE consumer = $1 AND log_no = $2 AND partition = $3 FOR UPDATE`,
);

/**
 * The last statement of a guarded transaction. `changes` are its own assignments; their parameters start at $9. What is
 * not as the guard has it, although it is locked, breaks the invariant: so nothing is committed, also where COMMIT was
 * sent already.
 */
export function advanceStatement(changes: string): Statement {
  return statement(
    `UPDATE progress SET commit_token = $7,
       next_offset = CASE WHEN owner_epoch = $4 AND next_offset = $5 AND commit_token = $6 THEN $8::bigint ELSE -1 END${changes}
     WHERE consumer = $1 AND log_no = $2 AND partition = $3`,
  );
}

/** The end of every guarded transaction. `values` are those of the statement's own assignments. */
export async function advance(
  connection: Connection,
  guard: Guard,
  nextOffset: number,
  sql: Statement,
  values: readonly (string | number | null | Uint8Array)[],
): Promise<void> {
  const updated = await connection.changes(sql, [
    guard.consumer,
    guard.logNo,
    guard.partition,
    guard.ownerEpoch,
    guard.expectedOffset,
    guard.previousToken,
    guard.token,
    nextOffset,
    ...values,
  ]);
  if (updated !== 1) throw new Error('Progress changed inside a transaction that had locked it.');
}
