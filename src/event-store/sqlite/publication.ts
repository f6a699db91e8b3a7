import type { DatabaseSync } from 'node:sqlite';
import type { InboxEntry } from '../../domain/inbox.ts';
import type { InboxPublication } from '../event-store.ts';
import { type InboxRow, inboxColumns, toInboxEntry } from '../rows.ts';
import type { Attempt } from './connection.ts';

export function createInboxPublication(db: DatabaseSync, attempt: Attempt): InboxPublication {
  // Row values compare as positions do: the log first, then the offset in it.
  const pastMark = db.prepare(
    `SELECT ${inboxColumns} FROM inbox
     WHERE consumer = :consumer AND partition = :partition AND (log_no, log_offset) > (
       coalesce((SELECT log_no FROM publications WHERE consumer = :consumer AND partition = :partition), 0),
       coalesce((SELECT log_offset FROM publications WHERE consumer = :consumer AND partition = :partition), 0))
     ORDER BY log_no, log_offset LIMIT :limit`,
  );
  const move = db.prepare(
    `INSERT INTO publications (consumer, partition, log_no, log_offset) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET log_no = excluded.log_no, log_offset = excluded.log_offset
     WHERE (excluded.log_no, excluded.log_offset) > (log_no, log_offset)`,
  );

  return {
    unpublished: (consumer, partition, { recordsMax, bytesMax }) =>
      attempt(() => {
        const entries: InboxEntry[] = [];
        let bytes = 0;
        // Read one by one: rows that would not fit are not brought into memory.
        for (const row of pastMark.iterate({ consumer, partition, limit: recordsMax })) {
          const entry = toInboxEntry(row as unknown as InboxRow);
          bytes += entry.value.byteLength;
          if (entries.length > 0 && bytes > bytesMax) break;
          entries.push(entry);
        }
        return entries;
      }),
    markPublished: (consumer, { logNo, partition, offset }) =>
      attempt(() => {
        move.run(consumer, partition, logNo, offset);
      }),
  };
}
