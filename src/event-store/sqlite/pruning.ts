import type { DatabaseSync } from 'node:sqlite';
import { otherEventType } from '../../domain/event.ts';
import { limits } from '../../domain/limits.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { MaintenanceRequest } from '../event-store.ts';
import { allRows, firstRow } from './connection.ts';

/** How many rows a part of the maintenance took, and whether it left some for the next call. */
export interface MaintenanceWork {
  readonly rows: number;
  readonly more: boolean;
}

interface PrunableRow {
  readonly row_no: number;
  readonly id: Uint8Array;
  readonly log_no: number;
  readonly received_at: number;
  readonly counted_as: string;
}

/**
 * Removes a partition's oldest rows and counts them in `pruned` of what had counted them as stored.
 *
 * Which rollup row is charged: a row's 10 s step if that still has stored > pruned, else its minute, else its hour. A
 * step may have rows of more than one length, since an event that is stored late makes a new 10 s row after folding.
 * Taking the shortest first is what keeps every rollup row coverable: a 10 s row stands for rows of its own ten seconds
 * only, while a minute row can stand for any of its minute.
 */
export function createPruning(db: DatabaseSync): (request: MaintenanceRequest) => MaintenanceWork {
  const oldest = db.prepare(
    `SELECT row_no, id, log_no, received_at, CASE counted_as_other WHEN 1 THEN '${otherEventType}' ELSE event_type END AS counted_as
     FROM events WHERE partition = ? AND received_at < ? ORDER BY received_at, row_no LIMIT ${limits.pruneRowsMax + 1}`,
  );
  const deleteEvent = db.prepare('DELETE FROM events WHERE row_no = ?');
  const deleteDuplicates = db.prepare('DELETE FROM duplicates WHERE event_id = ?');
  const chargeTotal = db.prepare('UPDATE type_totals SET pruned = pruned + ? WHERE partition = ? AND event_type = ?');
  const chargeProgress = db.prepare(
    'UPDATE progress SET pruned = pruned + ? WHERE consumer = ? AND log_no = ? AND partition = ?',
  );
  const chargeRollups = createRollupCharge(db);

  return ({ consumer, partition, pruneBefore }) => {
    keepIndex(db, pruneBefore !== null);
    if (pruneBefore === null) return { rows: 0, more: false };
    const found = allRows<PrunableRow>(oldest, partition, pruneBefore);
    const rows = found.slice(0, limits.pruneRowsMax);
    for (const { row_no, id } of rows) {
      deleteEvent.run(row_no);
      deleteDuplicates.run(id);
    }
    for (const [at, types] of Map.groupBy(rows, (row) => stepStart(row.received_at, rollupSteps.fineMs))) {
      for (const [eventType, ofType] of Map.groupBy(types, (row) => row.counted_as)) {
        chargeRollups(partition, at, eventType, ofType.length);
      }
    }
    for (const [eventType, ofType] of Map.groupBy(rows, (row) => row.counted_as)) {
      chargeTotal.run(ofType.length, partition, eventType);
    }
    // A row may come from a log before the current one, and then that log's progress stored it.
    for (const [logNo, ofLog] of Map.groupBy(rows, (row) => row.log_no)) {
      chargeProgress.run(ofLog.length, consumer, logNo, partition);
    }
    return { rows: rows.length, more: found.length > rows.length };
  };
}

/**
 * The index that finds a partition's oldest rows is of use to pruning alone, and costs the worker a tenth of its time:
 * it is there only where rows are pruned. Making it takes about a second for a million rows, once after retention was
 * turned on.
 */
function keepIndex(db: DatabaseSync, isNeeded: boolean): void {
  if (isNeeded) db.exec('CREATE INDEX IF NOT EXISTS events_partition_received ON events (partition, received_at)');
  else db.exec('DROP INDEX IF EXISTS events_partition_received');
}

function createRollupCharge(db: DatabaseSync) {
  const remaining = db.prepare(
    `SELECT stored - pruned AS rows FROM rollup_counts WHERE partition = ? AND step_ms = ? AND at = ? AND event_type = ?`,
  );
  const charge = db.prepare(
    `UPDATE rollup_counts SET pruned = pruned + ? WHERE partition = ? AND step_ms = ? AND at = ? AND event_type = ?`,
  );
  const shortestFirst = [rollupSteps.fineMs, rollupSteps.minuteMs, rollupSteps.hourMs];

  return (partition: number, at: number, eventType: string, rows: number): void => {
    let left = rows;
    for (const stepMs of shortestFirst) {
      const key = [partition, stepMs, stepStart(at, stepMs), eventType] as const;
      const taken = Math.min(left, firstRow<{ rows: number }>(remaining, ...key)?.rows ?? 0);
      if (taken > 0) charge.run(taken, ...key);
      left -= taken;
    }
    if (left === 0) return;
    const when = new Date(at).toISOString();
    throw new Error(
      `${left} rows of partition ${partition}, type ${eventType}, received from ${when} are counted by no rollup: see \`esp verify\`.`,
    );
  };
}
