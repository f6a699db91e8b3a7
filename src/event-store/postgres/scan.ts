import { limits } from '../../domain/limits.ts';
import { type BoundedSource, readBounded } from './bounded.ts';
import type { Connection, SqlValue } from './connection.ts';

/** A row's place in the order of a list: the time first, then what tells rows of one time apart. */
export type ScanKey = readonly (number | string)[];

export interface KeyRow {
  readonly id: string;
  readonly key: ScanKey;
}

/** Newer than `last` or `last` itself, and older than `after`. */
export interface ScanRange {
  readonly after: ScanKey;
  readonly last: ScanKey;
}

/** What has to be tried row by row, since no index answers it: columns and the values they must have. */
export type Filters = readonly (readonly [column: string, value: SqlValue])[];

/** A table's rows in the order of a list, newest first, led by an index. */
export interface Listing {
  keys(connection: Connection, range: ScanRange, filters: Filters, limit: number): Promise<readonly KeyRow[]>;
  /** Where at most `rows` rows of the range are left behind, or null where fewer are in it. */
  stepEnd(connection: Connection, range: ScanRange, rows: number): Promise<ScanKey | null>;
}

export interface Scan {
  readonly listing: Listing;
  readonly source: BoundedSource;
  readonly range: ScanRange;
  readonly filters: Filters;
  readonly limit: number;
}

export interface ScanPage<Row> {
  readonly rows: readonly Row[];
  /** Where the next page starts; null at the end. A page may be short, even empty, and not the last. */
  readonly next: ScanKey | null;
}

/** Rows that one step may try: some 10 ms. */
const stepRows = 10_000;
/** Steps of one page: a rare value in a large table answers a short page in about a quarter of a second. */
const stepsMax = 20;

/** One page. The keys are found first, so that no more large rows are read than are answered. */
export async function scanNewestFirst<Row extends { readonly id: string }>(
  connection: Connection,
  scan: Scan,
): Promise<ScanPage<Row>> {
  const { keys, next } = await findKeys(connection, scan);
  const ids = keys.map(({ id }) => id);
  const { rows, isWhole } = await readBounded<Row>(connection, scan.source, ids, limits.pageBytesMax);
  if (isWhole) return { rows, next };
  const last = rows.at(-1)!.id;
  return { rows, next: keys.find(({ id }) => id === last)!.key };
}

async function findKeys(
  connection: Connection,
  { listing, range, filters, limit }: Scan,
): Promise<{ readonly keys: readonly KeyRow[]; readonly next: ScanKey | null }> {
  const found: KeyRow[] = [];
  let { after } = range;
  for (let steps = 0; steps < stepsMax; steps++) {
    const end = filters.length === 0 ? null : await listing.stepEnd(connection, { ...range, after }, stepRows);
    const step = { after, last: end ?? range.last };
    // One more than is answered tells whether there is one.
    found.push(...(await listing.keys(connection, step, filters, limit + 1 - found.length)));
    if (found.length > limit) return { keys: found.slice(0, limit), next: found[limit - 1]!.key };
    if (end === null) return { keys: found, next: null };
    after = end;
  }
  return { keys: found, next: after };
}

export interface OrderedTable {
  readonly table: string;
  /** Beginning with those of an index, each with the sign that its order has in a comparison. */
  readonly keyColumns: readonly (readonly [column: string, type: string])[];
  /** Columns that an index has before them, and their values. */
  readonly indexed: Filters;
}

/** A list whose whole order is that of one index, but perhaps for its last columns. */
export function createListing({ table, keyColumns, indexed }: OrderedTable): Listing {
  const columns = keyColumns.map(([column]) => column).join(', ');
  const order = keyColumns.map(([column]) => `${column} DESC`).join(', ');

  function select(what: string, range: ScanRange, filters: Filters): { sql: string; values: SqlValue[] } {
    const values: SqlValue[] = [...range.after, ...range.last];
    const width = keyColumns.length;
    const bound = (from: number) => keyColumns.map(([, type], n) => `$${from + n}::${type}`).join(', ');
    const conditions = [`(${columns}) < (${bound(1)})`, `(${columns}) >= (${bound(1 + width)})`];
    for (const [column, value] of [...indexed, ...filters]) {
      values.push(value);
      conditions.push(`${column} = $${values.length}`);
    }
    return { sql: `SELECT ${what} FROM ${table} WHERE ${conditions.join(' AND ')} ORDER BY ${order}`, values };
  }

  return {
    async keys(connection, range, filters, limit) {
      const { sql, values } = select(`id AS row_id, ${columns}`, range, filters);
      return (await connection.rows<KeyColumns>(`${sql} LIMIT ${limit}`, values)).map((row) => toKeyRow(row));
    },
    async stepEnd(connection, range, rows) {
      const { sql, values } = select(`id AS row_id, ${columns}`, range, []);
      const [end] = await connection.rows<KeyColumns>(`${sql} LIMIT 1 OFFSET ${rows - 1}`, values);
      return end === undefined ? null : toKeyRow(end).key;
    },
  };
}

/** The row's id, and its key's columns in order. */
export type KeyColumns = Readonly<Record<string, number | string>> & { readonly row_id: string };

export function toKeyRow({ row_id: id, ...key }: KeyColumns): KeyRow {
  return { id, key: Object.values(key) };
}
