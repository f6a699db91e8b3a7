import type { Connection } from './connection.ts';

export interface BoundedSource {
  readonly table: string;
  readonly idType: 'uuid' | 'text';
  /** All but `id` and the large one. */
  readonly columns: string;
  /** The one whose size counts, as an expression over the table, and its name in the answer. */
  readonly large: string;
  readonly as: string;
}

export interface BoundedRows<Row> {
  readonly rows: readonly Row[];
  /** False where the bound was reached: whoever comes after the last row is still to be read. */
  readonly isWhole: boolean;
}

/**
 * Rows read at a time. JSON can be many times larger as text than it was sent: `1e308` has 309 digits, so the largest
 * of events fills 15 MB.
 */
const rowsAtATime = 50;

/**
 * The rows of these ids, in this order, up to the first that does not fit into `bytesMax`; a first one always fits. Ids
 * that have no row are left out.
 */
export async function readBounded<Row>(
  connection: Connection,
  source: BoundedSource,
  ids: readonly string[],
  bytesMax: number,
): Promise<BoundedRows<Row>> {
  const found: Row[] = [];
  let bytesLeft = bytesMax;
  for (let from = 0; from < ids.length; from += rowsAtATime) {
    const step = await connection.rows<Row & { fits: boolean; total: number }>(sqlOf(source), [
      ids.slice(from, from + rowsAtATime),
      bytesLeft,
      found.length === 0,
    ]);
    const end = step.findIndex(({ fits }) => !fits);
    found.push(...(end < 0 ? step : step.slice(0, end)));
    if (end >= 0) return { rows: found, isWhole: false };
    bytesLeft -= step.at(-1)?.total ?? 0;
  }
  return { rows: found, isWhole: true };
}

/**
 * LIMIT keeps the levels apart, so that a payload is turned into text once, and each row is looked up by itself: joined
 * as tables, all rows are read where the server takes the table for a small one.
 */
function sqlOf({ table, idType, columns, large, as }: BoundedSource): string {
  const fits = 'total <= $2 OR ($3 AND nth = 1)';
  return `SELECT id, ${columns}, CASE WHEN ${fits} THEN ${as} END AS ${as}, ${fits} AS fits, total
    FROM (
      SELECT *, (sum(octet_length(${as})) OVER places)::float8 AS total, row_number() OVER places AS nth
      FROM (
        SELECT place, row.*
        FROM unnest($1::${idType}[]) WITH ORDINALITY AS wanted (wanted_id, place), LATERAL (
          SELECT id, ${columns}, ${large} AS ${as} FROM ${table} WHERE id = wanted_id LIMIT 1
        ) AS row
      ) AS read
      WINDOW places AS (ORDER BY place)
    ) AS sized
    ORDER BY place`;
}
