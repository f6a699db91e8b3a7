import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Attempt, allRows, firstRow } from './event-store.sqlite.connection.ts';

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

export interface ScanPage<Row> {
  readonly rows: readonly Row[];
  /** Where the next page starts; null at the end. A page may be short, even empty, and not the last. */
  readonly next: ScanKey | null;
}

/** Rows that one step may try: some 5 ms. */
const stepRows = 5_000;
/** Steps of one page: a rare value in a large table answers a short page in about a quarter of a second. */
const stepsMax = 40;

/**
 * One page, newest first. Where a filter has no index, the rows are tried a bounded number at a time and the event loop
 * runs in between: one look for a rare value must not hold up the process.
 */
export async function scanNewestFirst<Row>(
  db: DatabaseSync,
  scan: Scan,
  keyOf: (row: Row) => ScanKey,
  attempt: Attempt,
): Promise<ScanPage<Row>> {
  if (scan.filters.length === 0) {
    return pageOf(await attempt(() => selectRows<Row>(db, scan, scan.after, null, scan.limit + 1)), scan.limit, keyOf);
  }
  const rows: Row[] = [];
  let after = scan.after;
  for (let steps = 0; steps < stepsMax; steps++) {
    if (steps > 0) await nextTurn();
    const step = await attempt(() => {
      const last = findStepEnd(db, scan, after);
      return { last, rows: selectRows<Row>(db, scan, after, last, scan.limit + 1 - rows.length) };
    });
    rows.push(...step.rows);
    if (rows.length > scan.limit || step.last === null) return pageOf(rows, scan.limit, keyOf);
    after = step.last;
  }
  return { rows, next: after };
}

function pageOf<Row>(rows: readonly Row[], limit: number, keyOf: (row: Row) => ScanKey): ScanPage<Row> {
  if (rows.length <= limit) return { rows, next: null };
  const page = rows.slice(0, limit);
  return { rows: page, next: keyOf(page.at(-1)!) };
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

function selectRows<Row>(
  db: DatabaseSync,
  scan: Scan,
  after: ScanKey | null,
  last: ScanKey | null,
  limit: number,
): Row[] {
  // The plus keeps a filter's own index out of it, which would lead to rows outside of the step.
  const filters = scan.filters.map((filter) => ({ ...filter, sql: `+${filter.sql}` }));
  const { sql, parameters } = where([...scan.indexed, ...range(scan, after, last), ...filters]);
  const statement = db.prepare(`SELECT ${scan.columns} FROM ${scan.table} ${sql} ${order(scan)} LIMIT ${limit}`);
  return allRows<Row>(statement, ...parameters);
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
