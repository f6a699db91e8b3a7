import { otherEventType, type StoredEvent } from '../../domain/event.ts';
import { UnavailableError } from '../../domain/failure.ts';
import type { KnownEvent } from '../event-store.ts';
import type { Connection, SqlValue } from './connection.ts';
import { lookUpEvents } from './knowledge.ts';
import { eventColumns } from './rows.ts';
import { postgresSettings } from './settings.ts';

type Values = Extract<SqlValue, readonly unknown[]>;

/** Each column of `events`, how it is sent, and what of. */
const columns: readonly (readonly [name: string, type: string, value: (event: StoredEvent) => Values[number]])[] = [
  ['id', 'uuid', ({ id }) => id],
  ['log_no', 'integer', ({ position }) => position.logNo],
  ['partition', 'integer', ({ position }) => position.partition],
  ['log_offset', 'bigint', ({ position }) => position.offset],
  ['received_at', 'bigint', ({ receivedAt }) => receivedAt],
  ['stored_at', 'bigint', ({ storedAt }) => storedAt],
  ['counted_as_other', 'boolean', ({ countedAs }) => String(countedAs === otherEventType)],
  ['event_type', 'text', ({ eventType }) => eventType],
  ['client_id', 'text', ({ clientId }) => clientId],
  ['source', 'text', ({ source }) => source],
  ['key', 'text', ({ key }) => key],
  ['occurred_at', 'text', ({ occurredAt }) => occurredAt],
  ['redrive_of', 'text', ({ redriveOf }) => redriveOf],
  ['content_hash', 'bytea', ({ contentHash }) => `\\x${Buffer.from(contentHash).toString('hex')}`],
  ['payload', 'jsonb', ({ payloadJson }) => payloadJson],
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
  events: readonly StoredEvent[],
): Promise<ReadonlyMap<string, KnownEvent>> {
  const taken = new Map<string, KnownEvent>();
  let left = events;
  for (let tries = 0; left.length > 0; tries++) {
    if (tries === postgresSettings.raceTriesMax) {
      throw new UnavailableError('store_busy', 'Ids of this batch are stored and removed again and again.');
    }
    const rows = await connection.rows<{ id: string }>(
      insertSql,
      columns.map(([, , value]) => left.map(value)),
    );
    const inserted = new Set(rows.map(({ id }) => id));
    left = left.filter(({ id }) => !inserted.has(id));
    const known = await lookUpEvents(
      connection,
      left.map(({ id }) => id),
    );
    for (const [id, event] of known) taken.set(id, event);
    // Retention may have removed the row that was in the way.
    left = left.filter(({ id }) => !known.has(id));
  }
  return taken;
}
