import type { InboxPublication } from '../event-store.ts';
import { type InboxRow, toInboxEntry } from '../rows.ts';
import { readBounded } from './bounded.ts';
import type { Database } from './database.ts';
import { entriesById } from './inbox.ts';

/** On the connections that everything but batches shares: publishing never stands in a batch's way. */
export function createInboxPublication(database: Pick<Database, 'read' | 'write'>): InboxPublication {
  return {
    unpublished: (consumer, partition, { recordsMax, bytesMax }) =>
      database.read(async (connection) => {
        // Row values compare as positions do: the log first, then the offset in it.
        const found = await connection.rows<{ id: string }>(
          `SELECT id FROM inbox
           WHERE consumer = $1 AND partition = $2 AND (log_no, log_offset) > (
             coalesce((SELECT log_no FROM publications WHERE consumer = $1 AND partition = $2), 0),
             coalesce((SELECT log_offset FROM publications WHERE consumer = $1 AND partition = $2), 0))
           ORDER BY log_no, log_offset LIMIT $3`,
          [consumer, partition, recordsMax],
        );
        const ids = found.map(({ id }) => id);
        const { rows } = await readBounded<InboxRow>(connection, entriesById, ids, bytesMax);
        return rows.map(toInboxEntry);
      }),
    async markPublished(consumer, { logNo, partition, offset }) {
      await database.write((connection) =>
        connection.changes(
          `INSERT INTO publications AS published (consumer, partition, log_no, log_offset) VALUES ($1, $2, $3, $4)
           ON CONFLICT ON CONSTRAINT publications_of DO UPDATE
           SET log_no = excluded.log_no, log_offset = excluded.log_offset
           WHERE (excluded.log_no, excluded.log_offset) > (published.log_no, published.log_offset)`,
          [consumer, partition, logNo, offset],
        ),
      );
    },
  };
}
