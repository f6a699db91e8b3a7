import type { DatabaseSync } from 'node:sqlite';
import type { HistogramPairs } from '../../domain/histogram.ts';
import { limits } from '../../domain/limits.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { MaintenanceRequest } from '../event-store.ts';
import { allRows, firstRow } from './connection.ts';
import type { MaintenanceWork } from './pruning.ts';
import { createLatencyUpsert } from './write.ts';

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
export function createFolding(db: DatabaseSync): (request: MaintenanceRequest) => MaintenanceWork {
  const foldCounts = createCountFold(db);
  const foldLatencies = createLatencyFold(db);

  return ({ partition, foldFineBefore, foldMinutesBefore }) => {
    const { fineMs, minuteMs, hourMs } = rollupSteps;
    const folds: Fold[] = [
      { partition, fromMs: fineMs, toMs: minuteMs, before: stepStart(foldFineBefore, minuteMs) },
      { partition, fromMs: minuteMs, toMs: hourMs, before: stepStart(foldMinutesBefore, hourMs) },
    ];
    let left: number = limits.rollupFoldRowsMax;
    for (const fold of folds) {
      left -= foldCounts(fold, left);
      left -= foldLatencies(fold, left);
    }
    const rows = limits.rollupFoldRowsMax - left;
    // Reaching the limit exactly may mean that nothing is left; the next call then answers idle.
    return { rows, more: left === 0 };
  };
}

function createCountFold(db: DatabaseSync): (fold: Fold, rowsMax: number) => number {
  const selected = 'partition = ?1 AND step_ms = ?2 AND at < ?3';
  // The key just past the rows of this call, if there are more than it may take.
  const firstLeft = db.prepare(
    `SELECT at, event_type FROM rollup_counts WHERE ${selected} ORDER BY at, event_type LIMIT 1 OFFSET ?4`,
  );
  const taken = `${selected} AND (at, event_type) < (?4, ?5)`;
  const add = db.prepare(
    `INSERT INTO rollup_counts (partition, step_ms, at, event_type, stored, duplicate, failed, pruned)
     SELECT partition, ?6, at - (at % ?6 + ?6) % ?6 AS longer, event_type, sum(stored), sum(duplicate), sum(failed), sum(pruned)
     FROM rollup_counts WHERE ${taken} GROUP BY longer, event_type
     ON CONFLICT DO UPDATE SET stored = stored + excluded.stored, duplicate = duplicate + excluded.duplicate,
       failed = failed + excluded.failed, pruned = pruned + excluded.pruned`,
  );
  const remove = db.prepare(`DELETE FROM rollup_counts WHERE ${taken}`);

  return ({ partition, fromMs, toMs, before }, rowsMax) => {
    const end = firstRow<{ at: number; event_type: string }>(firstLeft, partition, fromMs, before, rowsMax);
    const key = [partition, fromMs, before, end?.at ?? before, end?.event_type ?? ''] as const;
    add.run(...key, toMs);
    return Number(remove.run(...key).changes);
  };
}

function createLatencyFold(db: DatabaseSync): (fold: Fold, rowsMax: number) => number {
  const select = db.prepare(
    `SELECT at, histogram, clock_skewed FROM rollup_latency WHERE partition = ? AND step_ms = ? AND at < ? ORDER BY at LIMIT ?`,
  );
  const remove = db.prepare('DELETE FROM rollup_latency WHERE partition = ? AND step_ms = ? AND at = ?');
  const add = createLatencyUpsert(db);

  return ({ partition, fromMs, toMs, before }, rowsMax) => {
    const rows = allRows<{ at: number; histogram: string; clock_skewed: number }>(
      select,
      partition,
      fromMs,
      before,
      rowsMax,
    );
    for (const { at, histogram, clock_skewed } of rows) {
      const pairs = JSON.parse(histogram) as HistogramPairs;
      add(partition, toMs, { at: stepStart(at, toMs), histogram: pairs, clockSkewed: clock_skewed });
      remove.run(partition, fromMs, at);
    }
    return rows.length;
  };
}
