import { oldestKept } from '../../domain/metrics-steps.ts';
import { rollupSteps } from '../../domain/rollup.ts';
import type { PartitionMetrics, TypeTotals } from '../event-store.ts';
import { addStored, createMetricsColumns, type LatencyRow } from '../metrics-columns.ts';
import type { Connection } from './connection.ts';
import { together } from './together.ts';

/** One partition's metrics; the connection is in a snapshot, so the watermark is that of the rest. */
export async function readPartitionMetrics(
  connection: Connection,
  consumer: string,
  partition: number,
  now: number,
): Promise<PartitionMetrics | null> {
  const [[watermark], totals] = await together([
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
  ]);
  if (watermark === undefined) return null;
  const columns = createMetricsColumns(totals, now);
  const stepsAtATime = Math.ceil(countsAtATime / Math.max(totals.length, typesMin));
  for (const stepMs of Object.values(rollupSteps)) {
    const steps = { partition, stepMs, from: oldestKept(now), stepsAtATime };
    await readCounts(connection, columns, steps);
    await addLatencySteps(connection, columns, steps);
  }
  return { partition, watermark, totals, ...columns.columns() };
}

/**
 * Counts of one answer, at most: some megabytes, and a tenth of a second. A day of two thousand types is millions of
 * them, which one statement would read past its time, and one answer would hold whole in memory.
 */
const countsAtATime = 200_000;
/** Steps have latencies too, some hundred buckets of each. */
const typesMin = 200;

type Columns = ReturnType<typeof createMetricsColumns>;

interface Steps {
  readonly partition: number;
  readonly stepMs: number;
  readonly from: number;
  readonly stepsAtATime: number;
}

interface CountsOfStep {
  readonly at: number;
  readonly duplicate: number;
  readonly failed: number;
  /** JSON of the names, and of the counts beside them: a row for each would take ten times as long to read. */
  readonly types: string;
  readonly stored: string;
}

/** In the order of the primary key, so that nothing is sorted or collected. */
async function readCounts(connection: Connection, columns: Columns, steps: Steps): Promise<void> {
  await inPages(steps, async (from) => {
    const rows = await connection.rows<CountsOfStep>(
      `SELECT at, sum(duplicate)::bigint AS duplicate, sum(failed)::bigint AS failed, json_agg(event_type) AS types,
         json_agg(stored) AS stored
       FROM rollup_counts WHERE partition = $1 AND step_ms = $2 AND at >= $3
       GROUP BY at ORDER BY at LIMIT ${steps.stepsAtATime}`,
      [steps.partition, steps.stepMs, from],
    );
    for (const { at, duplicate, failed, types, stored } of rows) {
      const step = columns.step(at, steps.stepMs);
      step.duplicate += duplicate;
      step.failed += failed;
      const names = JSON.parse(types) as readonly string[];
      const counts = JSON.parse(stored) as readonly number[];
      let place = -1;
      for (let index = 0; index < names.length; index += 1) {
        place = columns.placeOf(names[index]!, place + 1);
        addStored(step, place, counts[index]!);
      }
    }
    return rows;
  });
}

async function addLatencySteps(connection: Connection, columns: Columns, steps: Steps): Promise<void> {
  await inPages(steps, async (from) => {
    const rows = await connection.rows<LatencyRow>(
      `SELECT at, histogram, clock_skewed FROM rollup_latency
       WHERE partition = $1 AND step_ms = $2 AND at >= $3 ORDER BY at LIMIT ${steps.stepsAtATime}`,
      [steps.partition, steps.stepMs, from],
    );
    for (const row of rows) columns.addLatency(row, steps.stepMs);
    return rows;
  });
}

async function inPages(
  { from, stepsAtATime }: Steps,
  read: (from: number) => Promise<readonly { readonly at: number }[]>,
): Promise<void> {
  for (let next = from; ; ) {
    const rows = await read(next);
    if (rows.length < stepsAtATime) return;
    next = rows.at(-1)!.at + 1;
  }
}
