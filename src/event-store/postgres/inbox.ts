import type { InboxEntry, InboxResolution, InboxState } from '../../domain/inbox.ts';
import type { EventReader, InboxQuery, InboxWriter, Page } from '../event-store.ts';
import { decodeCursor, encodeCursor } from '../page-cursor.ts';
import { type InboxRow, inboxColumns, toInboxEntry } from '../rows.ts';
import type { BoundedSource } from './bounded.ts';
import type { Connection, SqlValue } from './connection.ts';
import type { Database } from './database.ts';
import { inboxRange, inboxRows } from './listings.ts';
import { currentLog } from './rows.ts';
import { scanNewestFirst } from './scan.ts';
import { together } from './together.ts';

export function createInboxReads(database: Pick<Database, 'read'>): Pick<EventReader, 'inboxEntry' | 'inboxEntries'> {
  async function inboxEntries(query: InboxQuery): Promise<Page<InboxEntry>> {
    const [first, ...others] = conditionsOf(query);
    const range = inboxRange();
    const scan = {
      listing: inboxRows(first === undefined ? [] : [first]),
      source: entriesById,
      range: query.cursor === undefined ? range : { ...range, after: keyOf(query.cursor) },
      filters: others,
      limit: query.limit,
    };
    const { rows, next } = await database.read((connection) => scanNewestFirst<InboxRow>(connection, scan));
    const nextCursor = next === null ? null : encodeCursor('inbox', { at: Number(next[0]), tie: String(next[1]) });
    return { items: rows.map(toInboxEntry), nextCursor };
  }

  return {
    inboxEntries,
    async inboxEntry(id) {
      const [row] = await database.read((connection) =>
        connection.rows<InboxRow>(`SELECT ${inboxColumns} FROM inbox WHERE id = $1`, [id]),
      );
      return row === undefined ? null : toInboxEntry(row);
    },
  };
}

/** Inbox rows by their ids, the value being what is large of them. */
export const entriesById: BoundedSource = {
  table: 'inbox',
  idType: 'text',
  columns: inboxColumns.replace(/^id, /, '').replace(/, value$/, ''),
  large: 'value',
  as: 'value',
};

function keyOf(cursor: string) {
  const { at, tie } = decodeCursor('inbox', cursor);
  return [at, tie];
}

/** The first is the one whose index is used: the likely rarest. */
function conditionsOf({ eventId, eventType, code, state }: InboxQuery): (readonly [column: string, value: SqlValue])[] {
  const all = [
    ['event_id', eventId],
    ['event_type', eventType],
    ['code', code],
    ['state', state],
  ] as const;
  return all.flatMap(([column, value]) => (value === undefined ? [] : [[column, value] as const]));
}

/**
 * Which of the rows are open, in the order of `ids`. They are locked until the transaction ends, in one order, whoever
 * asks: who claims, discards or settles one of them waits, and what is asked next sees what those before have done.
 */
export async function lockOpen(connection: Connection, ids: readonly string[]): Promise<readonly string[]> {
  const rows = await connection.rows<{ id: string; state: InboxState }>(
    'SELECT id, state FROM inbox WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE',
    [ids],
  );
  const open = new Set(rows.flatMap(({ id, state }) => (state === 'open' ? [id] : [])));
  return ids.filter((id) => open.delete(id));
}

export function createInboxWriter(database: Pick<Database, 'write'>): InboxWriter {
  return {
    discard: (ids, now) =>
      database.write(async (connection) => {
        const open = await lockOpen(connection, ids);
        const rows = await connection.rows<{ id: string }>(
          `UPDATE inbox SET state = 'discarded', resolution = $2::jsonb, settled_at = $3
           WHERE id = ANY($1::text[]) AND NOT EXISTS (SELECT FROM redrive_claims WHERE inbox_id = inbox.id)
           RETURNING id`,
          [open, discarded, now],
        );
        const changed = new Set(rows.map(({ id }) => id));
        return open.filter((id) => changed.has(id));
      }),
    adoptLog: (logId, now) => database.write((connection) => adoptLog(connection, logId, now)),
  };
}

const discarded = JSON.stringify({ kind: 'discarded' } satisfies InboxResolution);

async function adoptLog(connection: Connection, logId: string, now: number): Promise<number> {
  // Operators who adopt at the same time do so one after the other.
  const [, current] = await together([
    connection.run('LOCK TABLE logs IN SHARE ROW EXCLUSIVE MODE'),
    currentLog(connection),
  ]);
  // Batches that are under way end first, and those that come later see the new log (event-store/postgres/guard.ts).
  const progress = await connection.rows('SELECT FROM progress WHERE log_no = $1 FOR UPDATE', [current?.log_no ?? 0]);
  // Asked twice: nothing was processed under this number yet. Else an older copy of the log, which keeps its id, may be
  // what is to be adopted: its offsets must not be taken for those of the log as it was.
  if (current?.log_id === logId && progress.length === 0) return current.log_no;
  const logNo = (current?.log_no ?? 0) + 1;
  await connection.changes('INSERT INTO logs (log_no, log_id, adopted_at) VALUES ($1, $2, $3)', [logNo, logId, now]);
  await connection.changes("UPDATE inbox SET state = 'open', job_id = NULL WHERE state = 'redriving'", []);
  return logNo;
}
