import type { DatabaseSync } from 'node:sqlite';
import { firstRow } from './event-store.sqlite.connection.ts';
import { createCurrentLog, type ProgressRow, progressColumns, toProgress } from './event-store.sqlite.rows.ts';
import type { CommitRequest, PartitionProgress } from './event-store.ts';

/** What a transaction must find in the progress row to be allowed to write. */
export type Guard = Pick<
  CommitRequest,
  'consumer' | 'logNo' | 'partition' | 'ownerEpoch' | 'expectedOffset' | 'previousToken' | 'token'
>;

export type GuardFinding =
  | { readonly kind: 'free' }
  /** An earlier try of the same transaction has landed. */
  | { readonly kind: 'landed' }
  | { readonly kind: 'fenced'; readonly found: PartitionProgress | null };

/** Reads progress inside the transaction that is about to write. */
export function createGuardCheck(db: DatabaseSync): (guard: Guard) => GuardFinding {
  const currentLog = createCurrentLog(db);
  const select = db.prepare(
    `SELECT ${progressColumns} FROM progress WHERE consumer = ? AND log_no = ? AND partition = ?`,
  );

  return (guard) => {
    const row = firstRow<ProgressRow>(select, guard.consumer, guard.logNo, guard.partition);
    if (row === null) return { kind: 'fenced', found: null };
    const mine = row.owner_epoch === guard.ownerEpoch;
    if (mine && row.commit_token === guard.token) return { kind: 'landed' };
    const untouched = row.next_offset === guard.expectedOffset && row.commit_token === guard.previousToken;
    // An operator who adopted another log meant that work on this one ends.
    if (mine && untouched && currentLog()?.log_no === guard.logNo) return { kind: 'free' };
    return { kind: 'fenced', found: toProgress(row) };
  };
}
