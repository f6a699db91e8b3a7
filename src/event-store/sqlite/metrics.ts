import type { DatabaseSync } from 'node:sqlite';
import { oldestKept } from '../../domain/metrics-steps.ts';
import { rollupSteps } from '../../domain/rollup.ts';
import type { PartitionMetrics, TypeTotals } from '../event-store.ts';
import { addStored, createMetricsColumns, type LatencyRow } from '../metrics-columns.ts';
import { allRows, eachRow, firstRow, inSnapshot } from './connection.ts';
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
  const counts = db.prepare(
    `SELECT at, event_type AS eventType, stored, duplicate, failed FROM rollup_counts
     WHERE partition = ? AND step_ms = ? AND at >= ?`,
  );
  const latencies = db.prepare(
    'SELECT at, histogram, clock_skewed FROM rollup_latency WHERE partition = ? AND step_ms = ? AND at >= ?',
  );

  return (consumer: string, partition: number, now: number): PartitionMetrics | null =>
    inSnapshot(db, () => {
      const logNo = currentLog()?.log_no;
      if (logNo === undefined) return null;
      const mark = firstRow<{ nextOffset: number; commitToken: string }>(watermark, consumer, logNo, partition);
      if (mark === null) return null;
      const totalRows = allRows<TypeTotals>(totals, partition).map((row) => ({ ...row }));
      const columns = createMetricsColumns(totalRows, now);
      for (const stepMs of Object.values(rollupSteps)) {
        const ofSteps = [partition, stepMs, oldestKept(now)] as const;
        for (const row of eachRow<CountRow>(counts, ...ofSteps)) {
          const step = columns.step(row.at, stepMs);
          step.duplicate += row.duplicate;
          step.failed += row.failed;
          addStored(step, columns.placeOf(row.eventType), row.stored);
        }
        for (const row of eachRow<LatencyRow>(latencies, ...ofSteps)) columns.addLatency(row, stepMs);
      }
      return {
        partition,
        watermark: { logNo, nextOffset: mark.nextOffset, commitToken: mark.commitToken },
        totals: totalRows,
        ...columns.columns(),
      };
    });
}

interface CountRow extends Omit<TypeTotals, 'pruned'> {
  readonly at: number;
}
