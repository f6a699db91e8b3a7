import type { SqlValue } from './connection.ts';
import {
  createListing,
  type Filters,
  type KeyColumns,
  type Listing,
  type ScanKey,
  type ScanRange,
  toKeyRow,
} from './scan.ts';

/** Before and behind every time that a row may have. */
const timeMax = Number.MAX_SAFE_INTEGER;

/** A place in the order of events: received_at, partition, log_offset, log_no. */
export function eventRange({ from, to }: { readonly from?: number; readonly to?: number }): ScanRange {
  // No partition is −1: such a key stands behind all rows of its time.
  return { after: [to ?? timeMax, -1, -1, 0], last: [from ?? -timeMax, -1, -1, 0] };
}

export function inboxRange(): ScanRange {
  return { after: [timeMax, ''], last: [-timeMax, ''] };
}

export function eventsOfType(eventType: string): Listing {
  return createListing({
    table: 'events',
    keyColumns: [
      ['received_at', 'bigint'],
      ['partition', 'integer'],
      ['log_offset', 'bigint'],
      ['log_no', 'integer'],
    ],
    indexed: [['event_type', eventType]],
  });
}

/** @param indexed the one condition whose index is used, or none */
export function inboxRows(indexed: Filters): Listing {
  return createListing({
    table: 'inbox',
    keyColumns: [
      ['failed_at', 'bigint'],
      ['id', 'text'],
    ],
    indexed,
  });
}

const columns = 'received_at, partition, log_offset, log_no';
const newestFirst = 'ORDER BY received_at DESC, partition DESC, log_offset DESC, log_no DESC';
const parametersOfRange = 8;

/**
 * All events: each partition's rows stand in order in one index, and the newest of all are among the newest of each. So
 * a page looks at as many keys for each partition as it has rows, however many are stored.
 */
export const allEvents: Listing = {
  async keys(connection, range, filters, limit) {
    const { sql, values } = ofEachPartition(range, filters, `LIMIT ${limit}`);
    const rows = await connection.rows<KeyColumns>(`${sql} LIMIT ${limit}`, values);
    return rows.map((row) => toKeyRow(row));
  },
  async stepEnd(connection, range, rows) {
    // The newest of the places where each partition has given its share: no partition has more rows before it.
    const share = `greatest(1, ${rows} / (SELECT count(DISTINCT partition) FROM progress))`;
    const { sql, values } = ofEachPartition(range, [], `LIMIT 1 OFFSET ${share} - 1`);
    const [end] = await connection.rows<KeyColumns>(`${sql} LIMIT 1`, values);
    return end === undefined ? null : toKeyRow(end).key;
  },
};

function ofEachPartition(
  { after, last }: ScanRange,
  filters: Filters,
  part: string,
): { readonly sql: string; readonly values: readonly SqlValue[] } {
  const filtered = filters.map(([column], n) => `AND ${column} = $${parametersOfRange + 1 + n}`).join(' ');
  const sql = `SELECT found.* FROM (SELECT DISTINCT partition FROM progress) AS each
    CROSS JOIN LATERAL (
      SELECT id AS row_id, ${columns} FROM events
      WHERE events.partition = each.partition AND (received_at, log_offset, log_no) < ${boundIn('each', 1)}
        AND (received_at, log_offset, log_no) >= ${boundIn('each', 5)} ${filtered}
      ORDER BY received_at DESC, log_offset DESC, log_no DESC ${part}
    ) AS found
    ${newestFirst}`;
  return { sql, values: [...after, ...last, ...filters.map(([, value]) => value)] };
}

/**
 * Where a key lies among the rows of one partition. Rows of the key's own time come before it where their partition is
 * higher, and behind it where it is lower: so beyond every offset, or before all.
 */
function boundIn(each: string, first: number): string {
  const [at, partition, offset, logNo] = [0, 1, 2, 3].map((n) => `$${first + n}`);
  return `(${at}::bigint,
      CASE WHEN ${each}.partition < ${partition}::integer THEN ${timeMax}
        WHEN ${each}.partition = ${partition}::integer THEN ${offset}::bigint ELSE -1 END,
      CASE WHEN ${each}.partition = ${partition}::integer THEN ${logNo}::integer ELSE 0 END)`;
}

/** A key's part in a cursor, and back. */
export function tieOfEvent([, partition, offset, logNo]: ScanKey): string {
  return `${partition}.${offset}.${logNo}`;
}

/** @throws RangeError */
export function eventKey(at: number, tie: string): ScanKey {
  const match = /^(\d{1,10})\.(\d{1,16})\.(\d{1,10})$/.exec(tie);
  if (match === null) throw new RangeError('The cursor is not one of this list.');
  return [at, Number(match[1]), Number(match[2]), Number(match[3])];
}
