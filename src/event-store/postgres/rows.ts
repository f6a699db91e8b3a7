import type { StoredEvent } from '../../domain/event.ts';
import { type CurrentLog, type EventFields, storedEventOf } from '../rows.ts';
import type { Connection } from './connection.ts';
import { statement } from './statement.ts';

export const eventColumns =
  'id, log_no, partition, log_offset, received_at, stored_at, counted_as_other, event_type, client_id, source, key, ' +
  'occurred_at, redrive_of, content_hash, payload';

export interface EventRow extends EventFields {
  readonly id: string;
  readonly counted_as_other: boolean;
}

export function toStoredEvent(row: EventRow): StoredEvent {
  return storedEventOf(row, row.id, row.counted_as_other);
}

const lastLog = statement('SELECT log_no, log_id FROM logs ORDER BY log_no DESC LIMIT 1');

/** The log that was adopted last, or null before the first claim. */
export async function currentLog(connection: Connection): Promise<CurrentLog | null> {
  const [log] = await connection.rows<CurrentLog>(lastLog);
  return log ?? null;
}
