import { DatabaseError } from 'pg';
import type { StoredEvent } from '../domain/event.ts';
import { RejectedByStoreError } from '../domain/failure.ts';
import type { Connection } from './event-store.postgres.connection.ts';
import type { Database } from './event-store.postgres.database.ts';
import { copiedRow, isIdTaken, refusesValue } from './event-store.postgres.errors.ts';
import { advance, checkGuard } from './event-store.postgres.guard.ts';
import { completeKnowledge, lookUp } from './event-store.postgres.knowledge.ts';
import { writeAll } from './event-store.postgres.write.ts';
import type { CommitRequest, CommitResult, Decide, WriteSet } from './event-store.ts';
import { assertBalanced } from './write-set-check.ts';

export function createCommit(
  database: Pick<Database, 'writeOf'>,
  eventTypesMax: number,
): (request: CommitRequest, decide: Decide) => Promise<CommitResult> {
  return async (request, decide) => {
    /** An id that the decision was told of, and wanted to store anew. */
    let unheard: string | undefined;

    async function commitOnce(connection: Connection): Promise<CommitResult> {
      const [finding, found] = await Promise.all([checkGuard(connection, request), lookUp(connection, request)]);
      if (finding.kind === 'landed') return { kind: 'committed', alreadyCommitted: true, written: null };
      if (finding.kind === 'fenced') return finding;
      const knowledge = await completeKnowledge(connection, request, found, eventTypesMax);
      const written = decide(request, knowledge);
      assertBalanced(request, written);
      try {
        await writeAll(connection, request, written);
      } catch (error) {
        unheard = isIdTaken(error) ? written.events.find(({ id }) => knowledge.events.has(id))?.id : undefined;
        throw nameRecord(error, written.events);
      }
      await advanceBy(connection, request, written);
      return { kind: 'committed', alreadyCommitted: false, written };
    }

    try {
      return await database.writeOf(request.partition, commitOnce);
    } catch (error) {
      if (unheard === undefined) throw error;
      throw new Error(`A batch stores the event ${unheard} anew, though it was told of it.`, { cause: error });
    }
  };
}

/** Whose value the server refuses, where it says so. */
function nameRecord(error: unknown, events: readonly StoredEvent[]): unknown {
  const row = error instanceof DatabaseError && refusesValue(error) ? copiedRow(error, 'events') : null;
  if (row === null) return error;
  const { message, code } = error as DatabaseError;
  return new RejectedByStoreError(
    `PostgreSQL can not hold the record at offset ${events[row - 1]!.position.offset}: ${message} (${code})`,
    { cause: error },
  );
}

async function advanceBy(connection: Connection, request: CommitRequest, { outcomes }: WriteSet): Promise<void> {
  await advance(
    connection,
    request,
    `, next_offset = $8, last_offset = coalesce($9, last_offset), last_hash = coalesce($10, last_hash),
       stored = stored + $11, duplicate = duplicate + $12, failed = failed + $13, lost = lost + $14, skipped = skipped + $15`,
    [
      request.nextOffset,
      request.last?.offset ?? null,
      request.last?.hash ?? null,
      outcomes.stored,
      outcomes.duplicate,
      outcomes.failed,
      outcomes.lost,
      outcomes.skipped,
    ],
  );
}
