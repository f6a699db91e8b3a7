import { DatabaseError } from 'pg';
import type { OutcomeCounts } from '../../domain/event.ts';
import { RejectedByStoreError } from '../../domain/failure.ts';
import type { BatchKnowledge, Candidate, CommitRequest, Decide, WriteSet } from '../batch.ts';
import type { CommitResult } from '../event-store.ts';
import { assertBalanced } from '../write-set-check.ts';
import type { Connection } from './connection.ts';
import type { Database, Transaction } from './database.ts';
import { copiedRow, isIdTaken, refusesValue } from './errors.ts';
import { advance, advanceStatement, checkGuard } from './guard.ts';
import { completeKnowledge, lookUp, withContents } from './knowledge.ts';
import type { KnownLatencies } from './latencies.ts';
import { together } from './together.ts';
import { insertUntaken } from './untaken.ts';
import { copyEvents, writeRest } from './write.ts';

export function createCommit(
  database: Pick<Database, 'writeOf'>,
  eventTypesMax: number,
): (request: CommitRequest, decide: Decide) => Promise<CommitResult> {
  return (request, decide) => {
    let wasRaced = false;

    async function commitOnce(connection: Connection, { begun, commit }: Transaction): Promise<CommitResult> {
      const [, finding, found] = await together([begun, checkGuard(connection, request), lookUp(connection, request)]);
      if (finding.kind === 'landed') return { kind: 'committed', alreadyCommitted: true, written: null };
      if (finding.kind === 'fenced') return finding;
      const knowledge = await completeKnowledge(connection, request, found, eventTypesMax);
      const batch = { connection, commit, request, decide, knowledge, latencies: found.latencies };
      try {
        const written = wasRaced ? await writePatiently(batch) : await writeAtOnce(batch);
        return { kind: 'committed', alreadyCommitted: false, written };
      } catch (error) {
        wasRaced ||= isIdTaken(error);
        throw error;
      }
    }

    return database.writeOf(request.partition, commitOnce);
  };
}

interface Batch {
  readonly connection: Connection;
  readonly commit: Transaction['commit'];
  readonly request: CommitRequest;
  readonly decide: Decide;
  readonly knowledge: BatchKnowledge;
  readonly latencies: KnownLatencies;
}

/** Nearly always nobody else stores one of these ids at this moment. */
async function writeAtOnce(batch: Batch): Promise<WriteSet> {
  const { connection, request, decide, knowledge } = batch;
  const written = decide(request, knowledge);
  assertBalanced(request, written);
  try {
    await together([copyEvents(connection, request, written), finish(batch, written)]);
  } catch (error) {
    throw nameRecord(error, written.events);
  }
  return written;
}

/**
 * For a batch that lost a race: other partitions are storing the same ids, perhaps one after the other. So nothing is
 * left to luck: what can be stored is stored, waiting for others where need be, and then it is decided anew about what
 * could not.
 */
async function writePatiently(batch: Batch): Promise<WriteSet> {
  const { connection, request, decide, knowledge } = batch;
  const first = decide(request, knowledge);
  const taken = await insertUntaken(connection, request, first);
  const known = await withContents(connection, request, new Map([...knowledge.events, ...taken]));
  const written = decide(request, { ...knowledge, events: known });
  assertBalanced(request, written);
  const anew = written.events.find(({ event }) => taken.has(event.id));
  if (anew !== undefined || written.events.length !== first.events.length - taken.size) {
    throw new Error(
      `A decision did not heed what it was told of the events' ids: ${anew?.event.id ?? 'others are stored'}.`,
    );
  }
  await finish(batch, written);
  return written;
}

/** Everything but the events; sent at once, with the commit behind it. Not async, as write.ts tells. */
function finish({ connection, commit, request, latencies }: Batch, written: WriteSet): Promise<unknown> {
  return together([
    writeRest(connection, request, written, latencies),
    advanceBy(connection, request, written.outcomes),
    commit(),
  ]);
}

/** Whose value the server refuses, where it says so. */
function nameRecord(error: unknown, events: readonly Candidate[]): unknown {
  const row = error instanceof DatabaseError && refusesValue(error) ? copiedRow(error, 'events') : null;
  if (row === null) return error;
  const { message, code } = error as DatabaseError;
  const { offset } = events[row - 1]!;
  return new RejectedByStoreError(`PostgreSQL can not hold the record at offset ${offset}: ${message} (${code})`, {
    cause: error,
    offset,
  });
}

const countOutcomes = advanceStatement(
  `, last_offset = coalesce($9, last_offset), last_hash = coalesce($10, last_hash),
     stored = stored + $11, duplicate = duplicate + $12, failed = failed + $13, lost = lost + $14, skipped = skipped + $15`,
);

function advanceBy(connection: Connection, request: CommitRequest, outcomes: OutcomeCounts): Promise<void> {
  return advance(connection, request, request.nextOffset, countOutcomes, [
    request.last?.offset ?? null,
    request.last?.hash ?? null,
    outcomes.stored,
    outcomes.duplicate,
    outcomes.failed,
    outcomes.lost,
    outcomes.skipped,
  ]);
}
