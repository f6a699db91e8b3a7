import { otherEventType } from '../../domain/event.ts';
import { limits } from '../../domain/limits.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { MaintenanceRequest } from '../event-store.ts';
import type { Connection } from './connection.ts';
import { together } from './together.ts';

/** How many rows a part of the maintenance took, and whether it left some for the next call. */
export interface MaintenanceWork {
  readonly rows: number;
  readonly more: boolean;
}

interface PrunableRow {
  /** Where it stands in the table; it stays there as long as this transaction lasts. */
  readonly place: string;
  readonly id: string;
  readonly log_no: number;
  readonly received_at: number;
  readonly counted_as: string;
}

/** Removes a partition's oldest rows and counts them in `pruned` of what had counted them as stored. */
export async function prune(
  connection: Connection,
  { consumer, partition, pruneBefore }: MaintenanceRequest,
): Promise<MaintenanceWork> {
  if (pruneBefore === null) return { rows: 0, more: false };
  const found = await connection.rows<PrunableRow>(
    `SELECT ctid AS place, id, log_no, received_at,
       CASE WHEN counted_as_other THEN '${otherEventType}' ELSE event_type END AS counted_as
     FROM events WHERE partition = $1 AND received_at < $2 ORDER BY received_at, log_offset LIMIT $3`,
    [partition, pruneBefore, limits.pruneRowsMax + 1],
  );
  const rows = found.slice(0, limits.pruneRowsMax);
  if (rows.length === 0) return { rows: 0, more: false };
  const rollups = await readRollups(connection, partition, rows);
  await together([
    connection.changes('DELETE FROM events WHERE ctid = ANY($1::tid[])', [rows.map(({ place }) => place)]),
    connection.changes('DELETE FROM duplicates WHERE event_id = ANY($1::uuid[])', [rows.map(({ id }) => id)]),
    chargeRollups(connection, partition, planCharges(partition, rows, rollups)),
    chargeTotals(connection, partition, rows),
    chargeProgress(connection, consumer, partition, rows),
  ]);
  return { rows: rows.length, more: found.length > rows.length };
}

/** What of a rollup row is still covered by rows, or is to be taken from it. */
export interface RollupRemainder {
  readonly stepMs: number;
  readonly at: number;
  readonly eventType: string;
  readonly rows: number;
}

const shortestFirst = [rollupSteps.fineMs, rollupSteps.minuteMs, rollupSteps.hourMs];

/**
 * Which rollup rows are charged: a row's 10 s step if that still has stored > pruned, else its minute, else its hour. A
 * step may have rows of more than one length, since an event that is stored late makes a new 10 s row after folding.
 * Taking the shortest first is what keeps every rollup row coverable: a 10 s row stands for rows of its own ten seconds
 * only, while a minute row can stand for any of its minute.
 */
export function planCharges(
  partition: number,
  rows: readonly Pick<PrunableRow, 'received_at' | 'counted_as'>[],
  rollups: readonly RollupRemainder[],
): readonly RollupRemainder[] {
  const left = new Map(rollups.map((rollup) => [keyOf(rollup), rollup.rows]));
  const charges = new Map<string, RollupRemainder>();
  for (const { received_at, counted_as: eventType } of rows) {
    const charged = shortestFirst
      .map((stepMs) => ({ stepMs, at: stepStart(received_at, stepMs), eventType }))
      .find((rollup) => (left.get(keyOf(rollup)) ?? 0) > 0);
    if (charged === undefined) {
      const when = new Date(stepStart(received_at, rollupSteps.fineMs)).toISOString();
      throw new Error(
        `Rows of partition ${partition}, type ${eventType}, received from ${when} are counted by no rollup: see \`esp verify\`.`,
      );
    }
    const key = keyOf(charged);
    left.set(key, left.get(key)! - 1);
    charges.set(key, { ...charged, rows: (charges.get(key)?.rows ?? 0) + 1 });
  }
  return [...charges.values()];
}

function keyOf({ stepMs, at, eventType }: Pick<RollupRemainder, 'stepMs' | 'at' | 'eventType'>): string {
  return `${stepMs}:${at}:${eventType}`;
}

/** Those that may cover the rows. */
async function readRollups(
  connection: Connection,
  partition: number,
  rows: readonly PrunableRow[],
): Promise<readonly RollupRemainder[]> {
  const steps = new Map<string, { stepMs: number; at: number }>();
  for (const { received_at } of rows) {
    for (const stepMs of shortestFirst) {
      const at = stepStart(received_at, stepMs);
      steps.set(`${stepMs}:${at}`, { stepMs, at });
    }
  }
  return connection.rows<RollupRemainder>(
    `SELECT step_ms AS "stepMs", at, event_type AS "eventType", stored - pruned AS rows
     FROM unnest($2::integer[], $3::bigint[]) AS step (step_ms, at) JOIN rollup_counts USING (step_ms, at)
     WHERE partition = $1 AND stored > pruned`,
    [partition, [...steps.values()].map(({ stepMs }) => stepMs), [...steps.values()].map(({ at }) => at)],
  );
}

async function chargeRollups(
  connection: Connection,
  partition: number,
  charges: readonly RollupRemainder[],
): Promise<void> {
  await connection.changes(
    `UPDATE rollup_counts AS r SET pruned = pruned + charge.rows
     FROM unnest($2::integer[], $3::bigint[], $4::text[], $5::bigint[]) AS charge (step_ms, at, event_type, rows)
     WHERE r.partition = $1 AND r.step_ms = charge.step_ms AND r.at = charge.at AND r.event_type = charge.event_type`,
    [
      partition,
      charges.map(({ stepMs }) => stepMs),
      charges.map(({ at }) => at),
      charges.map(({ eventType }) => eventType),
      charges.map(({ rows }) => rows),
    ],
  );
}

async function chargeTotals(connection: Connection, partition: number, rows: readonly PrunableRow[]): Promise<void> {
  const byType = [...Map.groupBy(rows, (row) => row.counted_as)];
  await connection.changes(
    `UPDATE type_totals AS t SET pruned = pruned + charge.rows
     FROM unnest($2::text[], $3::bigint[]) AS charge (event_type, rows)
     WHERE t.partition = $1 AND t.event_type = charge.event_type`,
    [partition, byType.map(([eventType]) => eventType), byType.map(([, ofType]) => ofType.length)],
  );
}

/** A row may come from a log before the current one, and then that log's progress stored it. */
async function chargeProgress(
  connection: Connection,
  consumer: string,
  partition: number,
  rows: readonly PrunableRow[],
): Promise<void> {
  const byLog = [...Map.groupBy(rows, (row) => row.log_no)];
  await connection.changes(
    `UPDATE progress AS p SET pruned = pruned + charge.rows
     FROM unnest($3::integer[], $4::bigint[]) AS charge (log_no, rows)
     WHERE p.consumer = $1 AND p.partition = $2 AND p.log_no = charge.log_no`,
    [consumer, partition, byLog.map(([logNo]) => logNo), byLog.map(([, ofLog]) => ofLog.length)],
  );
}
