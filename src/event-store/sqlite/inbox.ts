import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InboxEntry, InboxResolution } from '../../domain/inbox.ts';
import type { EventReader, InboxQuery, InboxWriter, Page } from '../event-store.ts';
import { decodeCursor, encodeCursor } from '../page-cursor.ts';
import { type InboxRow, inboxColumns, toInboxEntry } from '../rows.ts';
import { type Attempt, firstRow, inTransaction } from './connection.ts';
import { createCurrentLog } from './rows.ts';
import { type Condition, type RowShape, scanNewestFirst } from './scan.ts';

export function createInboxReads(db: DatabaseSync, attempt: Attempt): Pick<EventReader, 'inboxEntry' | 'inboxEntries'> {
  const byId = db.prepare(`SELECT ${inboxColumns} FROM inbox WHERE id = ?`);

  async function inboxEntries(query: InboxQuery): Promise<Page<InboxEntry>> {
    const [first, ...others] = conditionsOf(query);
    const scan = {
      table: 'inbox',
      columns: inboxColumns,
      atColumn: 'failed_at',
      tieColumn: 'id',
      indexed: first === undefined ? [] : [first],
      filters: others,
      after: query.cursor === undefined ? null : decodeCursor('inbox', query.cursor),
      limit: query.limit,
    } as const;
    const { rows, next } = await scanNewestFirst(db, scan, inboxShape, attempt);
    const nextCursor = next === null ? null : encodeCursor('inbox', { at: next.at, tie: String(next.tie) });
    return { items: rows.map(toInboxEntry), nextCursor };
  }

  return {
    inboxEntries,
    async inboxEntry(id) {
      const row = await attempt(() => firstRow<InboxRow>(byId, id));
      return row === null ? null : toInboxEntry(row);
    },
  };
}

const inboxShape: RowShape<InboxRow> = {
  keyOf: (row) => ({ at: row.failed_at, tie: row.id }),
  bytesOf: (row) => row.value.byteLength,
};

/** The first is the one whose index is used: the likely rarest. */
function conditionsOf({ eventId, eventType, code, state }: InboxQuery): Condition[] {
  const equal = (column: string, value: string | undefined): Condition[] =>
    value === undefined ? [] : [{ sql: `${column} = ?`, parameters: [value] }];
  return [
    ...equal('event_id', eventId),
    ...equal('event_type', eventType),
    ...equal('code', code),
    ...equal('state', state),
  ];
}

/** Rows of one short write: about a millisecond, so that it never holds up the event loop or a batch. */
const idsPerTransaction = 200;

/** Answers the ids that `change` changed. */
export async function changeEach(
  db: DatabaseSync,
  attempt: Attempt,
  ids: readonly string[],
  change: (id: string) => boolean,
): Promise<string[]> {
  const changed: string[] = [];
  for (let from = 0; from < ids.length; from += idsPerTransaction) {
    if (from > 0) await nextTurn();
    const chunk = ids.slice(from, from + idsPerTransaction);
    changed.push(...(await attempt(() => inTransaction(db, () => chunk.filter(change)))));
  }
  return changed;
}

export function createInboxWriter(db: DatabaseSync, attempt: Attempt): InboxWriter {
  const discardOne = db.prepare(
    `UPDATE inbox SET state = 'discarded', resolution = ?, settled_at = ?
     WHERE id = ? AND state = 'open' AND NOT EXISTS (SELECT 1 FROM redrive_claims WHERE inbox_id = inbox.id)`,
  );
  const discarded = JSON.stringify({ kind: 'discarded' } satisfies InboxResolution);
  const currentLog = createCurrentLog(db);
  const hasProgress = db.prepare('SELECT 1 FROM progress WHERE log_no = ? LIMIT 1');
  const insertLog = db.prepare('INSERT INTO logs (log_no, log_id, adopted_at) VALUES (?, ?, ?)');

  return {
    discard: (ids, now) => changeEach(db, attempt, ids, (id) => discardOne.run(discarded, now, id).changes === 1),
    adoptLog: (logId, now) =>
      attempt(() =>
        inTransaction(db, () => {
          const current = currentLog();
          // Asked twice: nothing was processed under this number yet. Else an older copy of the log, which keeps its
          // id, may be what is to be adopted: its offsets must not be taken for those of the log as it was.
          if (current?.log_id === logId && !hasProgress.get(current.log_no)) return current.log_no;
          const logNo = (current?.log_no ?? 0) + 1;
          insertLog.run(logNo, logId, now);
          db.exec("UPDATE inbox SET state = 'open', job_id = NULL WHERE state = 'redriving'");
          return logNo;
        }),
      ),
  };
}
