import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { PartitionMetrics, RollupCountRow, RollupLatencyRow, TypeTotals } from '../event-store.ts';
import { type LatencyRow, mergeLatencies } from '../latency-steps.ts';
import { metricsReach } from '../metrics-reach.ts';
import type { Connection } from './connection.ts';
import { together } from './together.ts';

/** One partition's metrics; the connection is in a snapshot, so the watermark is that of the rest. */
export async function readPartitionMetrics(
  connection: Connection,
  consumer: string,
  partition: number,
  now: number,
): Promise<PartitionMetrics | null> {
  const [[watermark], totals, counts, latencies] = await together([
    connection.rows<PartitionMetrics['watermark']>(
      `SELECT log_no AS "logNo", next_offset AS "nextOffset", commit_token AS "commitToken" FROM progress
       WHERE consumer = $1 AND partition = $2 AND log_no = (SELECT max(log_no) FROM logs)`,
      [consumer, partition],
    ),
    connection.rows<TypeTotals>(
      `SELECT event_type AS "eventType", stored, duplicate, failed, pruned FROM type_totals
       WHERE partition = $1 ORDER BY event_type`,
      [partition],
    ),
    together(
      metricsReach.map(({ stepMs, keptMs }) =>
        readCounts(connection, partition, stepMs, stepStart(now - keptMs, stepMs)),
      ),
    ),
    together(
      metricsReach.map(({ stepMs, keptMs }) =>
        readLatencies(connection, partition, stepMs, stepStart(now - keptMs, stepMs)),
      ),
    ),
  ]);
  if (watermark === undefined) return null;
  return { partition, watermark, totals, counts: counts.flat(), latencies: latencies.flat() };
}

/** Steps no longer than the one asked for, which they add up to. */
const upTo = (stepMs: number) => Object.values(rollupSteps).filter((length) => length <= stepMs);

function readCounts(
  connection: Connection,
  partition: number,
  stepMs: number,
  from: number,
): Promise<RollupCountRow[]> {
  return connection.rows<RollupCountRow>(
    `SELECT ${stepMs} AS "stepMs", at, event_type AS "eventType", sum(stored)::bigint AS stored,
       sum(duplicate)::bigint AS duplicate, sum(failed)::bigint AS failed, sum(pruned)::bigint AS pruned
     FROM (
       SELECT at - (at % ${stepMs} + ${stepMs}) % ${stepMs} AS at, event_type, stored, duplicate, failed, pruned
       FROM rollup_counts WHERE partition = $1 AND step_ms IN (${upTo(stepMs).join(', ')}) AND at >= $2
     ) AS moved
     GROUP BY at, event_type ORDER BY at, event_type`,
    [partition, from],
  );
}

async function readLatencies(
  connection: Connection,
  partition: number,
  stepMs: number,
  from: number,
): Promise<RollupLatencyRow[]> {
  const rows = await connection.rows<LatencyRow>(
    `SELECT at, histogram, clock_skewed FROM rollup_latency
     WHERE partition = $1 AND step_ms IN (${upTo(stepMs).join(', ')}) AND at >= $2 ORDER BY at`,
    [partition, from],
  );
  return mergeLatencies(rows, stepMs);
}
