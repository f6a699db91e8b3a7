import type { Guard } from './batch.ts';
import type { PartitionProgress } from './event-store.ts';
import { type ProgressRow, toProgress } from './rows.ts';

export type GuardFinding =
  | { readonly kind: 'free' }
  /** An earlier try of the same transaction has landed. */
  | { readonly kind: 'landed' }
  | { readonly kind: 'fenced'; readonly found: PartitionProgress | null };

/**
 * @param row progress as it is inside the transaction that is about to write; null where there is none
 * @param currentLogNo the log that was adopted last, null before the first claim
 */
export function judgeGuard(guard: Guard, row: ProgressRow | null, currentLogNo: number | null): GuardFinding {
  if (row === null) return { kind: 'fenced', found: null };
  const mine = row.owner_epoch === guard.ownerEpoch;
  if (mine && row.commit_token === guard.token) return { kind: 'landed' };
  const untouched = row.next_offset === guard.expectedOffset && row.commit_token === guard.previousToken;
  // An operator who adopted another log meant that work on this one ends.
  if (mine && untouched && currentLogNo === guard.logNo) return { kind: 'free' };
  return { kind: 'fenced', found: toProgress(row) };
}
