import type { DuplicateRecord, StoredEvent } from '../../domain/event.ts';
import { isUuid } from '../../domain/identity.ts';
import { limits } from '../../domain/limits.ts';
import type { AppendedRecord, EventQuery, EventReader, Page, SettledOutcome } from '../event-store.ts';
import { type OutcomeFacts, outcomeOf } from '../outcome-of.ts';
import { decodeCursor, encodeCursor } from '../page-cursor.ts';
import type { BoundedSource } from './bounded.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';
import { lookUpEvents } from './knowledge.ts';
import { allEvents, eventKey, eventRange, eventsOfType, tieOfEvent } from './listings.ts';
import { readProgress } from './progress.ts';
import { type EventRow, eventColumns, toStoredEvent } from './rows.ts';
import { scanNewestFirst } from './scan.ts';
import { statement } from './statement.ts';
import { together } from './together.ts';

type EventReads = Pick<EventReader, 'event' | 'duplicatesOf' | 'events' | 'outcomesOf'>;

export function createEventReads(database: Pick<Database, 'read'>): EventReads {
  async function event(id: string): Promise<StoredEvent | null> {
    if (!isUuid(id)) return null;
    const [row] = await database.read((connection) =>
      connection.rows<EventRow>(`SELECT ${eventColumns} FROM events WHERE id = $1`, [id]),
    );
    return row === undefined ? null : toStoredEvent(row);
  }

  async function events(query: EventQuery): Promise<Page<StoredEvent>> {
    const { eventType, source, limit, cursor } = query;
    const range = eventRange(query);
    const scan = {
      listing: eventType === undefined ? allEvents : eventsOfType(eventType),
      source: eventsById,
      range: cursor === undefined ? range : { ...range, after: earlier(range.after, keyOf(cursor)) },
      filters: source === undefined ? [] : [['source', source] as const],
      limit,
    };
    const { rows, next } = await database.read((connection) => scanNewestFirst<EventRow>(connection, scan));
    const nextCursor = next === null ? null : encodeCursor('event', { at: Number(next[0]), tie: tieOfEvent(next) });
    return { items: rows.map(toStoredEvent), nextCursor };
  }

  return {
    event,
    events,
    async duplicatesOf(id) {
      if (!isUuid(id)) return [];
      return (await database.read((connection) => readDuplicates(connection, id))).map(toDuplicate);
    },
    outcomesOf: (consumer, records) => database.read((connection) => readOutcomes(connection, consumer, records)),
  };
}

const eventsById: BoundedSource = {
  table: 'events',
  idType: 'uuid',
  columns: eventColumns.replace(/^id, /, '').replace(/, payload$/, ''),
  large: 'payload::text',
  as: 'payload',
};

function keyOf(cursor: string) {
  const { at, tie } = decodeCursor('event', cursor);
  return eventKey(at, tie);
}

/** A cursor may have been made before its query was given another end. */
function earlier(end: readonly (number | string)[], key: readonly (number | string)[]) {
  return Number(key[0]) < Number(end[0]) ? key : end;
}

interface DuplicateRow {
  readonly event_id: string;
  readonly log_no: number;
  readonly partition: number;
  readonly log_offset: number;
  readonly received_at: number;
}

function readDuplicates(connection: Connection, id: string): Promise<DuplicateRow[]> {
  return connection.rows<DuplicateRow>(
    `SELECT event_id, log_no, partition, log_offset, received_at FROM duplicates WHERE event_id = $1
     ORDER BY received_at, log_no, partition, log_offset LIMIT ${limits.duplicatesKeptPerEvent}`,
    [id],
  );
}

function toDuplicate(row: DuplicateRow): DuplicateRecord {
  return {
    eventId: row.event_id,
    position: { logNo: row.log_no, partition: row.partition, offset: row.log_offset },
    receivedAt: row.received_at,
  };
}

async function readOutcomes(
  connection: Connection,
  consumer: string,
  records: readonly AppendedRecord[],
): Promise<readonly (SettledOutcome | null)[]> {
  const [progress, stored, failed] = await together([
    readProgress(connection, consumer),
    lookUpEvents(
      connection,
      records.map(({ id }) => id),
    ),
    connection.rows<{ readonly id: string }>(inboxOfPlaces, [
      consumer,
      records.map(({ partition, offset }) => `${partition}:${offset}`),
    ]),
  ]);
  const progressOf = new Map(progress.map((row) => [row.partition, row]));
  const failedIds = new Set(failed.map(({ id }) => id));
  const facts: OutcomeFacts = {
    progressOf: (partition) => progressOf.get(partition) ?? null,
    placeOf: (id) => stored.get(id)?.position ?? null,
    isInInbox: (id) => failedIds.has(id),
  };
  return records.map((record) => outcomeOf(consumer, record, facts));
}

/** Ids of the inbox have the number of the log, which who asks does not know yet. */
const inboxOfPlaces = statement(
  `SELECT id FROM inbox WHERE id = ANY(ARRAY(
     SELECT $1 || ':' || (SELECT max(log_no) FROM logs) || ':' || place FROM unnest($2::text[]) AS place))`,
);
