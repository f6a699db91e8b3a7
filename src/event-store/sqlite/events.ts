import type { DatabaseSync } from 'node:sqlite';
import type { DuplicateRecord, Position, StoredEvent } from '../../domain/event.ts';
import { isUuid } from '../../domain/identity.ts';
import { limits } from '../../domain/limits.ts';
import type { AppendedRecord, EventQuery, EventReader, Page, SettledOutcome } from '../event-store.ts';
import { type OutcomeFacts, outcomeOf } from '../outcome-of.ts';
import { decodeCursor, encodeCursor } from '../page-cursor.ts';
import { type Attempt, allRows, firstRow, inSnapshot } from './connection.ts';
import { bytesToId, type EventRow, eventColumns, idToBytes, toStoredEvent } from './rows.ts';
import { type Condition, type RowShape, type ScanKey, scanNewestFirst } from './scan.ts';

type EventReads = Pick<EventReader, 'event' | 'duplicatesOf' | 'events' | 'outcomesOf'>;

export function createEventReads(db: DatabaseSync, attempt: Attempt): EventReads {
  const byId = db.prepare(`SELECT ${eventColumns} FROM events WHERE id = ?`);
  const duplicatesById = db.prepare(
    `SELECT event_id, log_no, partition, log_offset, received_at FROM duplicates WHERE event_id = ?
     ORDER BY received_at, log_no, partition, log_offset LIMIT ${limits.duplicatesKeptPerEvent}`,
  );
  const readOutcomes = createOutcomesRead(db);

  async function event(id: string): Promise<StoredEvent | null> {
    if (!isUuid(id)) return null;
    const row = await attempt(() => firstRow<EventRow>(byId, idToBytes(id)));
    return row === null ? null : toStoredEvent(row);
  }

  async function events(query: EventQuery): Promise<Page<StoredEvent>> {
    const after = query.cursor === undefined ? null : toScanKey(query.cursor);
    const scan = {
      table: 'events',
      columns: eventColumns,
      atColumn: 'received_at',
      tieColumn: 'row_no',
      indexed: indexedConditions(query),
      filters: query.source === undefined ? [] : [{ sql: 'source = ?', parameters: [query.source] }],
      after,
      limit: query.limit,
    } as const;
    const { rows, next } = await scanNewestFirst(db, scan, eventShape, attempt);
    const nextCursor = next === null ? null : encodeCursor('event', { at: next.at, tie: String(next.tie) });
    return { items: rows.map(toStoredEvent), nextCursor };
  }

  return {
    event,
    events,
    async duplicatesOf(id) {
      if (!isUuid(id)) return [];
      return (await attempt(() => allRows<DuplicateRow>(duplicatesById, idToBytes(id)))).map(toDuplicate);
    },
    outcomesOf: (consumer, records) => attempt(() => readOutcomes(consumer, records)),
  };
}

const eventShape: RowShape<EventRow> = {
  keyOf: (row) => ({ at: row.received_at, tie: row.row_no }),
  bytesOf: (row) => row.payload.length,
};

interface DuplicateRow {
  readonly event_id: Uint8Array;
  readonly log_no: number;
  readonly partition: number;
  readonly log_offset: number;
  readonly received_at: number;
}

function toDuplicate(row: DuplicateRow): DuplicateRecord {
  return {
    eventId: bytesToId(row.event_id),
    position: { logNo: row.log_no, partition: row.partition, offset: row.log_offset },
    receivedAt: row.received_at,
  };
}

function toScanKey(cursor: string): ScanKey {
  const { at, tie } = decodeCursor('event', cursor);
  if (!/^\d{1,16}$/.test(tie)) throw new RangeError('The cursor is not one of this list.');
  return { at, tie: Number(tie) };
}

function indexedConditions({ eventType, from, to }: EventQuery): Condition[] {
  const conditions: Condition[] = [];
  if (eventType !== undefined) conditions.push({ sql: 'event_type = ?', parameters: [eventType] });
  if (from !== undefined) conditions.push({ sql: 'received_at >= ?', parameters: [from] });
  if (to !== undefined) conditions.push({ sql: 'received_at < ?', parameters: [to] });
  return conditions;
}

function createOutcomesRead(db: DatabaseSync) {
  const progressOf = db.prepare(
    `SELECT log_no AS logNo, next_offset AS nextOffset FROM progress
     WHERE consumer = ? AND partition = ? AND log_no = (SELECT max(log_no) FROM logs)`,
  );
  const placeOf = db.prepare('SELECT log_no AS logNo, partition, log_offset AS offset FROM events WHERE id = ?');
  const inInbox = db.prepare('SELECT 1 AS found FROM inbox WHERE id = ?');

  return (consumer: string, records: readonly AppendedRecord[]): readonly (SettledOutcome | null)[] => {
    const facts: OutcomeFacts = {
      progressOf: (partition) => firstRow<{ logNo: number; nextOffset: number }>(progressOf, consumer, partition),
      placeOf: (id) => firstRow<Position>(placeOf, idToBytes(id)),
      isInInbox: (id) => firstRow(inInbox, id) !== null,
    };
    return inSnapshot(db, () => records.map((record) => outcomeOf(consumer, record, facts)));
  };
}
