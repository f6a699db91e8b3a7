import type { DatabaseSync } from 'node:sqlite';
import type { MaintenanceRequest, MaintenanceResult } from '../event-store.ts';
import { inTransaction } from './connection.ts';
import { createFolding } from './folding.ts';
import { createGuardCheck } from './guard.ts';
import { createInboxPruning, createJobPruning } from './inbox-pruning.ts';
import { createPruning } from './pruning.ts';

/** Retention and folding: a commit like any other, same guard, new token, same next_offset. */
export function createMaintain(db: DatabaseSync): (request: MaintenanceRequest) => MaintenanceResult {
  const checkGuard = createGuardCheck(db);
  const prune = createPruning(db);
  const pruneInbox = createInboxPruning(db);
  const pruneJobs = createJobPruning(db);
  const fold = createFolding(db);
  const renewToken = db.prepare(
    `UPDATE progress SET commit_token = ?
     WHERE consumer = ? AND log_no = ? AND partition = ? AND owner_epoch = ? AND next_offset = ? AND commit_token = ?`,
  );

  function maintain(request: MaintenanceRequest): MaintenanceResult {
    const finding = checkGuard(request);
    // How much the earlier try did is not known any more; one more call finds out whether anything is left.
    if (finding.kind === 'landed') {
      return { kind: 'committed', alreadyCommitted: true, prunedRows: 0, prunedFailed: 0, foldedRows: 0, more: true };
    }
    if (finding.kind === 'fenced') return finding;

    const folded = fold(request);
    const pruned = prune(request);
    const failed = pruneInbox(request);
    const jobs = pruneJobs(request);
    const work = [folded, pruned, failed, jobs];
    if (work.every(({ rows }) => rows === 0)) return { kind: 'idle' };
    const { changes } = renewToken.run(
      request.token,
      request.consumer,
      request.logNo,
      request.partition,
      request.ownerEpoch,
      request.expectedOffset,
      request.previousToken,
    );
    if (changes !== 1) throw new Error('Progress changed inside a transaction that had locked it.');
    return {
      kind: 'committed',
      alreadyCommitted: false,
      prunedRows: pruned.rows,
      prunedFailed: failed.rows,
      foldedRows: folded.rows,
      more: work.some(({ more }) => more),
    };
  }

  return (request) => inTransaction(db, () => maintain(request));
}
