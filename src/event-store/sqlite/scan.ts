import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Attempt, firstRow } from './connection.ts';

/** A condition that starts with a column's name and has one `?` for each parameter. */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly SQLInputValue[];
}

export interface ScanKey {
  readonly at: number;
  readonly tie: number | string;
}

export interface Scan {
  readonly table: 'events' | 'inbox';
  readonly columns: string;
  /** The time a page is ordered by, newest first, and what tells rows of one time apart. */
  readonly atColumn: string;
  readonly tieColumn: string;
  /** What an index that ends in the order's columns answers. */
  readonly indexed: readonly Condition[];
  /** What has to be tried row by row. */
  readonly filters: readonly Condition[];
  readonly after: ScanKey | null;
  readonly limit: number;
}

/** How to read a row's place in the order, and about how large it is. */
export interface RowShape<Row> {
  readonly keyOf: (row: Row) => ScanKey;
  readonly bytesOf: (row: Row) => number;
}

export interface ScanPage<Row> {
  readonly rows: readonly Row[];
  /** Where the next page starts; null at the end. A page may be short, even empty, and not the last. */
  readonly next: ScanKey | null;
}

/** Rows that one step may try: some 5 ms. */
const stepRows = 5_000;
/** Steps of one page: a rare value in a large table answers a short page in about a quarter of a second. */
const stepsMax = 40;
/** A page of a thousand of the largest events would be a quarter of a gigabyte. */
const pageBytesMax = 8 * 1024 * 1024;

/**
 * One page, newest first. Where a filter has no index, the rows are tried a bounded number at a time and the event loop
 * runs in between: one look for a rare value must not hold up the process.
 */
export async function scanNewestFirst<Row>(
  db: DatabaseSync,
  scan: Scan,
  shape: RowShape<Row>,
  attempt: Attempt,
): Promise<ScanPage<Row>> {
  const rows: Row[] = [];
  let bytesLeft = pageBytesMax;
  let after = scan.after;
  for (let steps = 0; steps < stepsMax; steps++) {
    if (steps > 0) await nextTurn();
    const step = await attempt(() => {
      const last = scan.filters.length === 0 ? null : findStepEnd(db, scan, after);
      return { last, ...takeRows(selectRows<Row>(db, scan, after, last), scan.limit - rows.length, bytesLeft, shape) };
    });
    rows.push(...step.rows);
    bytesLeft -= step.bytes;
    // A whole page, and rows left to try: whether one of them matches is for the next page to find out.
    const whole = rows.length === scan.limit && step.last !== null;
    if (step.full || whole) return { rows, next: shape.keyOf(rows.at(-1)!) };
    if (step.last === null) return { rows, next: null };
    after = step.last;
  }
  return { rows, next: after };
}

/** Stops before the row that is too many; the first of all is never too large. */
function takeRows<Row>(source: Iterable<Row>, countMax: number, bytesMax: number, { bytesOf }: RowShape<Row>) {
  const rows: Row[] = [];
  let bytes = 0;
  for (const row of source) {
    const rowBytes = bytesOf(row);
    const tooLarge = bytes + rowBytes > bytesMax && (rows.length > 0 || bytesMax < pageBytesMax);
    if (rows.length === countMax || tooLarge) return { rows, bytes, full: true };
    rows.push(row);
    bytes += rowBytes;
  }
  return { rows, bytes, full: false };
}

/** The last of the next `stepRows` rows, or null where fewer are left. */
function findStepEnd(db: DatabaseSync, scan: Scan, after: ScanKey | null): ScanKey | null {
  const { atColumn, tieColumn } = scan;
  const { sql, parameters } = where([...scan.indexed, ...range(scan, after, null)]);
  const statement = db.prepare(
    `SELECT ${atColumn} AS at, ${tieColumn} AS tie FROM ${scan.table} ${sql} ${order(scan)} LIMIT 1 OFFSET ${stepRows - 1}`,
  );
  return firstRow<ScanKey>(statement, ...parameters);
}

function selectRows<Row>(db: DatabaseSync, scan: Scan, after: ScanKey | null, last: ScanKey | null): Iterable<Row> {
  // The plus keeps a filter's own index out of it, which would lead to rows outside of the step.
  const filters = scan.filters.map((filter) => ({ ...filter, sql: `+${filter.sql}` }));
  const { sql, parameters } = where([...scan.indexed, ...range(scan, after, last), ...filters]);
  const statement = db.prepare(
    `SELECT ${scan.columns} FROM ${scan.table} ${sql} ${order(scan)} LIMIT ${scan.limit + 1}`,
  );
  return statement.iterate(...parameters) as Iterable<unknown> as Iterable<Row>;
}

function range({ atColumn, tieColumn }: Scan, after: ScanKey | null, last: ScanKey | null): Condition[] {
  const key = `(${atColumn}, ${tieColumn})`;
  const conditions: Condition[] = [];
  if (after !== null) conditions.push({ sql: `${key} < (?, ?)`, parameters: [after.at, after.tie] });
  if (last !== null) conditions.push({ sql: `${key} >= (?, ?)`, parameters: [last.at, last.tie] });
  return conditions;
}

function where(conditions: readonly Condition[]): Condition {
  if (conditions.length === 0) return { sql: '', parameters: [] };
  return {
    sql: `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`,
    parameters: conditions.flatMap(({ parameters }) => [...parameters]),
  };
}

function order({ atColumn, tieColumn }: Scan): string {
  return `ORDER BY ${atColumn} DESC, ${tieColumn} DESC`;
}
