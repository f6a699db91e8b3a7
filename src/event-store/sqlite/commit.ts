import type { DatabaseSync } from 'node:sqlite';
import type { CommitRequest, Decide, WriteSet } from '../batch.ts';
import type { CommitResult } from '../event-store.ts';
import { assertBalanced } from '../write-set-check.ts';
import { inTransaction, isIdTaken } from './connection.ts';
import { createGuardCheck } from './guard.ts';
import { createKnowledge } from './knowledge.ts';
import { createWriter } from './write.ts';

export interface Batch {
  readonly request: CommitRequest;
  readonly decide: Decide;
}

export interface Commits {
  /** All of these batches, or nothing of any. */
  together(batches: readonly Batch[]): readonly CommitResult[];
  alone(batch: Batch): CommitResult;
}

/** A racing writer can take an id between lookup and insert once in a while, not again and again. */
const triesMax = 3;

export function createCommits(db: DatabaseSync, eventTypesMax: number): Commits {
  const checkGuard = createGuardCheck(db);
  const collectKnowledge = createKnowledge(db, eventTypesMax);
  const writeAll = createWriter(db);
  const advance = createAdvance(db);

  function commitOnce({ request, decide }: Batch): CommitResult {
    const finding = checkGuard(request);
    if (finding.kind === 'landed') return { kind: 'committed', alreadyCommitted: true, written: null };
    if (finding.kind === 'fenced') return finding;
    const written = decide(request, collectKnowledge(request));
    assertBalanced(request, written);
    writeAll(request, written);
    advance(request, written);
    return { kind: 'committed', alreadyCommitted: false, written };
  }

  return {
    together: (batches) => inTransaction(db, () => batches.map(commitOnce)),
    alone(batch) {
      for (let tries = 1; ; tries++) {
        try {
          return inTransaction(db, () => commitOnce(batch));
        } catch (error) {
          if (tries >= triesMax || !isIdTaken(error)) throw error;
        }
      }
    },
  };
}

function createAdvance(db: DatabaseSync): (request: CommitRequest, written: WriteSet) => void {
  const update = db.prepare(
    `UPDATE progress SET next_offset = ?, last_offset = coalesce(?, last_offset), last_hash = coalesce(?, last_hash),
       commit_token = ?, stored = stored + ?, duplicate = duplicate + ?, failed = failed + ?, lost = lost + ?,
       skipped = skipped + ?
     WHERE consumer = ? AND log_no = ? AND partition = ? AND owner_epoch = ? AND next_offset = ? AND commit_token = ?`,
  );
  return (request, { outcomes }) => {
    const { changes } = update.run(
      request.nextOffset,
      request.last?.offset ?? null,
      request.last?.hash ?? null,
      request.token,
      outcomes.stored,
      outcomes.duplicate,
      outcomes.failed,
      outcomes.lost,
      outcomes.skipped,
      request.consumer,
      request.logNo,
      request.partition,
      request.ownerEpoch,
      request.expectedOffset,
      request.previousToken,
    );
    if (changes !== 1) throw new Error('Progress changed inside a transaction that had locked it.');
  };
}
