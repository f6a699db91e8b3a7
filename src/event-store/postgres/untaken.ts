import { UnavailableError } from '../../domain/failure.ts';
import type { Candidate, CommitRequest, EventsToStore, KnownEvent } from '../batch.ts';
import type { Connection, SqlValue } from './connection.ts';
import { lookUpEvents } from './knowledge.ts';
import { eventColumns } from './rows.ts';
import { postgresSettings } from './settings.ts';

type Values = Extract<SqlValue, readonly unknown[]>;

/** Each column of `events`, how it is sent, and what of. */
const columns: readonly (readonly [
  name: string,
  type: string,
  value: (candidate: Candidate, batch: CommitRequest & EventsToStore) => Values[number],
])[] = [
  ['id', 'uuid', (candidate) => candidate.event.id],
  ['log_no', 'integer', (_, { logNo }) => logNo],
  ['partition', 'integer', (_, { partition }) => partition],
  ['log_offset', 'bigint', (candidate) => candidate.offset],
  ['received_at', 'bigint', (candidate) => candidate.event.receivedAt],
  ['stored_at', 'bigint', (_, { storedAt }) => storedAt],
  ['counted_as_other', 'boolean', ({ event }, { countedAsOther }) => String(countedAsOther.has(event.eventType))],
  ['event_type', 'text', (candidate) => candidate.event.eventType],
  ['client_id', 'text', (candidate) => candidate.event.clientId],
  ['source', 'text', (candidate) => candidate.event.source],
  ['key', 'text', (candidate) => candidate.event.key],
  ['occurred_at', 'text', (candidate) => candidate.event.occurredAt],
  ['redrive_of', 'text', (candidate) => candidate.event.redriveOf],
  ['content_hash', 'bytea', (candidate) => `\\x${candidate.contentHash}`],
  ['payload', 'jsonb', (candidate) => candidate.event.payloadJson],
];

const insertSql = `INSERT INTO events (${eventColumns})
  SELECT ${eventColumns} FROM unnest(${columns.map(([, type], n) => `$${n + 1}::${type}[]`).join(', ')})
    AS arriving (${columns.map(([name]) => name).join(', ')})
  ORDER BY id ON CONFLICT ON CONSTRAINT events_id DO NOTHING RETURNING id`;

/**
 * Stores those whose id is free, after whoever is storing the same has ended. Slower than COPY, but it can't lose.
 *
 * @returns the events that have the ids of the others
 */
export async function insertUntaken(
  connection: Connection,
  request: CommitRequest,
  write: EventsToStore,
): Promise<ReadonlyMap<string, KnownEvent>> {
  const taken = new Map<string, KnownEvent>();
  const batch = { ...request, ...write };
  let left = write.events;
  for (let tries = 0; left.length > 0; tries++) {
    if (tries === postgresSettings.raceTriesMax) {
      throw new UnavailableError('store_busy', 'Ids of this batch are stored and removed again and again.');
    }
    const rows = await connection.rows<{ id: string }>(
      insertSql,
      columns.map(([, , value]) => left.map((candidate) => value(candidate, batch))),
    );
    const inserted = new Set(rows.map(({ id }) => id));
    left = left.filter(({ event }) => !inserted.has(event.id));
    const known = await lookUpEvents(
      connection,
      left.map((candidate) => candidate.event.id),
    );
    for (const [id, event] of known) taken.set(id, event);
    // Retention may have removed the row that was in the way.
    left = left.filter(({ event }) => !known.has(event.id));
  }
  return taken;
}
