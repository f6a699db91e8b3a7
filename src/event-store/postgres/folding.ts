import type { HistogramPairs } from '../../domain/histogram.ts';
import { limits } from '../../domain/limits.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { MaintenanceRequest } from '../event-store.ts';
import type { Connection } from './connection.ts';
import { readLatencies } from './latencies.ts';
import type { MaintenanceWork } from './pruning.ts';
import { addLatencies, merged } from './write.ts';

interface Fold {
  readonly partition: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Steps that start before this are folded; a whole number of the longer steps. */
  readonly before: number;
}

/**
 * Moves rollup rows into longer steps, oldest first. A call that reaches its limit may leave a step half moved: what is
 * left is added by the next one, and both rows are counted meanwhile.
 */
export async function fold(
  connection: Connection,
  { partition, foldFineBefore, foldMinutesBefore }: MaintenanceRequest,
): Promise<MaintenanceWork> {
  const { fineMs, minuteMs, hourMs } = rollupSteps;
  const folds: Fold[] = [
    { partition, fromMs: fineMs, toMs: minuteMs, before: stepStart(foldFineBefore, minuteMs) },
    { partition, fromMs: minuteMs, toMs: hourMs, before: stepStart(foldMinutesBefore, hourMs) },
  ];
  let left: number = limits.rollupFoldRowsMax;
  for (const each of folds) {
    left -= await foldCounts(connection, each, left);
    left -= await foldLatencies(connection, each, left);
  }
  const rows = limits.rollupFoldRowsMax - left;
  // Reaching the limit exactly may mean that nothing is left; the next call then answers idle.
  return { rows, more: left === 0 };
}

/** The rows of this call, as a parameterless list of places in the table: nobody moves them while the guard is held. */
function oldest(table: string, order: string): string {
  return `ctid = ANY(ARRAY(
    SELECT ctid FROM ${table} WHERE partition = $1 AND step_ms = $2 AND at < $3 ORDER BY ${order} LIMIT $4))`;
}

async function foldCounts(
  connection: Connection,
  { partition, fromMs, toMs, before }: Fold,
  rowsMax: number,
): Promise<number> {
  const [taken] = await connection.rows<{ n: number }>(
    `WITH taken AS (
       DELETE FROM rollup_counts WHERE ${oldest('rollup_counts', 'at, event_type')}
       RETURNING at, event_type, stored, duplicate, failed, pruned
     ), added AS (
       INSERT INTO rollup_counts AS r (partition, step_ms, at, event_type, stored, duplicate, failed, pruned)
       SELECT $1, $5::integer, at - (at % $5 + $5) % $5 AS longer, event_type, sum(stored), sum(duplicate), sum(failed),
         sum(pruned)
       FROM taken GROUP BY longer, event_type
       ON CONFLICT ON CONSTRAINT rollup_counts_of DO UPDATE SET stored = r.stored + excluded.stored,
         duplicate = r.duplicate + excluded.duplicate, failed = r.failed + excluded.failed,
         pruned = r.pruned + excluded.pruned
     )
     SELECT count(*) AS n FROM taken`,
    [partition, fromMs, before, rowsMax, toMs],
  );
  return taken!.n;
}

async function foldLatencies(
  connection: Connection,
  { partition, fromMs, toMs, before }: Fold,
  rowsMax: number,
): Promise<number> {
  const taken = await connection.rows<{ at: number; histogram: string; clock_skewed: number }>(
    `DELETE FROM rollup_latency WHERE ${oldest('rollup_latency', 'at')} RETURNING at, histogram, clock_skewed`,
    [partition, fromMs, before, rowsMax],
  );
  if (taken.length === 0) return 0;
  const longer = Map.groupBy(taken, ({ at }) => stepStart(at, toMs));
  const known = await readLatencies(connection, partition, toMs, [...longer.keys()]);
  await addLatencies(
    connection,
    partition,
    toMs,
    [...longer].map(([at, rows]) => ({
      at,
      histogram: merged(...rows.map(({ histogram }) => JSON.parse(histogram) as HistogramPairs)),
      clockSkewed: rows.reduce((sum, row) => sum + row.clock_skewed, 0),
    })),
    known,
  );
  return taken.length;
}
