/** What a store is filled with before it is measured: rows as an installation that has run for a while would have them. */
export interface Fill {
  readonly rows: number;
  readonly types: number;
  /** From the oldest row until now. */
  readonly spanMs: number;
  /** `v7`: as ingest makes them, in the order of time. `v4`: at random, as clients may. */
  readonly ids: 'v7' | 'v4';
  /** Rows of the inbox besides; the newest hundred of them are open. */
  readonly failed: number;
}

export const minuteMs = 60_000;
export const dayMs = 24 * 60 * minuteMs;

/** Of a partition, that are stored together: as a batch does it. Fewer of a small store, so that every partition has some. */
export function batchRowsOf({ rows }: Fill): number {
  return rows < 1_000_000 ? 125 : 2_000;
}

/**
 * SQL for the place of event `n` in time: batches of partitions are stored one after another, and what they hold came in side by
 * side.
 */
export function timeOrderSql(fill: Fill, partitions: number): string {
  const batch = batchRowsOf(fill);
  return `n / ${batch * partitions} * ${batch * partitions} + n % ${batch} * ${partitions} + n / ${batch} % ${partitions}`;
}

export const openFailed = 100;
/** A column that no index has; one of so many rows has the same. */
export const sources = 5;

export function typeName(number: number): string {
  return `filled.type_${String(number).padStart(4, '0')}`;
}
/** Of a job that has ended. */
export const filledJob = '00000000-0000-7000-8000-000000000001';
