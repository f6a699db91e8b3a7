import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { PartitionMetrics, RollupCountRow, RollupLatencyRow, TypeTotals } from '../event-store.ts';
import { type LatencyRow, mergeLatencies } from '../latency-steps.ts';
import { metricsReach } from '../metrics-reach.ts';
import { allRows, firstRow, inSnapshot } from './connection.ts';
import { createCurrentLog } from './rows.ts';

/** One partition's metrics, in one snapshot with its watermark. */
export function createMetricsRead(db: DatabaseSync) {
  const currentLog = createCurrentLog(db);
  const watermark = db.prepare(
    `SELECT next_offset AS nextOffset, commit_token AS commitToken FROM progress
     WHERE consumer = ? AND log_no = ? AND partition = ?`,
  );
  const totals = db.prepare(
    `SELECT event_type AS eventType, stored, duplicate, failed, pruned FROM type_totals WHERE partition = ? ORDER BY event_type`,
  );
  const readCounts = createCountsRead(db);
  const readLatencies = createLatenciesRead(db);

  return (consumer: string, partition: number, now: number): PartitionMetrics | null =>
    inSnapshot(db, () => {
      const logNo = currentLog()?.log_no;
      if (logNo === undefined) return null;
      const mark = firstRow<{ nextOffset: number; commitToken: string }>(watermark, consumer, logNo, partition);
      if (mark === null) return null;
      return {
        partition,
        watermark: { logNo, nextOffset: mark.nextOffset, commitToken: mark.commitToken },
        totals: allRows<TypeTotals>(totals, partition).map((row) => ({ ...row })),
        counts: metricsReach.flatMap(({ stepMs, keptMs }) =>
          readCounts(partition, stepMs, stepStart(now - keptMs, stepMs)),
        ),
        latencies: metricsReach.flatMap(({ stepMs, keptMs }) =>
          readLatencies(partition, stepMs, stepStart(now - keptMs, stepMs)),
        ),
      };
    });
}

/** Steps no longer than the one asked for, which they add up to. */
const upTo = (stepMs: number) => Object.values(rollupSteps).filter((length) => length <= stepMs);

function createCountsRead(db: DatabaseSync) {
  const statements = new Map<number, StatementSync>(
    metricsReach.map(({ stepMs }) => [
      stepMs,
      db.prepare(
        `SELECT ${stepMs} AS stepMs, at - (at % ${stepMs} + ${stepMs}) % ${stepMs} AS start, event_type AS eventType,
           sum(stored) AS stored, sum(duplicate) AS duplicate, sum(failed) AS failed, sum(pruned) AS pruned
         FROM rollup_counts WHERE partition = ? AND step_ms IN (${upTo(stepMs).join(', ')}) AND at >= ?
         GROUP BY start, eventType ORDER BY start, eventType`,
      ),
    ]),
  );
  return (partition: number, stepMs: number, from: number): RollupCountRow[] =>
    allRows<Omit<RollupCountRow, 'at'> & { start: number }>(statements.get(stepMs)!, partition, from).map(
      ({ start, ...row }) => ({ ...row, at: start }),
    );
}

function createLatenciesRead(db: DatabaseSync) {
  const statements = new Map<number, StatementSync>(
    metricsReach.map(({ stepMs }) => [
      stepMs,
      db.prepare(
        `SELECT at, histogram, clock_skewed FROM rollup_latency
         WHERE partition = ? AND step_ms IN (${upTo(stepMs).join(', ')}) AND at >= ? ORDER BY at`,
      ),
    ]),
  );
  return (partition: number, stepMs: number, from: number): RollupLatencyRow[] => {
    return mergeLatencies(allRows<LatencyRow>(statements.get(stepMs)!, partition, from), stepMs);
  };
}
