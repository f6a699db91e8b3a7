import { otherEventType } from '../../domain/event.ts';
import type { HistogramPairs } from '../../domain/histogram.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { Discrepancy, TypeTotals } from '../event-store.ts';
import { createCoverage } from '../verification/coverage.ts';
import {
  createFindings,
  createVerification,
  type PositionedRow,
  type PrunedInbox,
  type RollupCountRow,
} from '../verification/verification.ts';
import type { Connection } from './connection.ts';
import { readHistory } from './progress.ts';
import { together } from './together.ts';

/** Rows read at a time: some ten milliseconds of both sides. */
const stepRows = 10_000;

interface Verifying {
  readonly connection: Connection;
  readonly verification: ReturnType<typeof createVerification>;
  readonly coverage: ReturnType<typeof createCoverage>;
}

/** Reads everything, a step at a time; the connection is in one snapshot for all of it. */
export async function verifyStore(connection: Connection, consumer: string): Promise<readonly Discrepancy[]> {
  const findings = createFindings();
  const verification = createVerification(await readHistory(connection, consumer), findings);
  const verifying = { connection, verification, coverage: createCoverage(findings) };
  await readInbox(verifying, consumer);
  for (const partition of await partitionsOf(connection)) await readPartition(verifying, partition);
  verification.finish();
  return findings.list;
}

/** One seek for each partition, where DISTINCT would read a whole index. */
async function partitionsOf(connection: Connection): Promise<readonly number[]> {
  const found = await together(
    ['events', 'rollup_counts', 'rollup_latency', 'type_totals'].map((table) =>
      connection.rows<{ partition: number }>(
        `WITH RECURSIVE seen AS (
           (SELECT min(partition) AS partition FROM ${table})
           UNION ALL
           SELECT (SELECT min(partition) FROM ${table} WHERE partition > seen.partition) FROM seen
           WHERE seen.partition IS NOT NULL
         )
         SELECT partition FROM seen WHERE partition IS NOT NULL`,
      ),
    ),
  );
  const partitions = new Set(found.flat().map(({ partition }) => partition));
  return [...partitions].sort((a, b) => a - b);
}

async function readInbox({ connection, verification }: Verifying, consumer: string): Promise<void> {
  const pruned = await connection.rows<PrunedInbox>(
    'SELECT log_no AS "logNo", partition, counted_as AS "countedAs", rows FROM inbox_pruned WHERE consumer = $1',
    [consumer],
  );
  for (const row of pruned) verification.inboxPruned(row);
  type Row = PositionedRow & { id: string };
  const steps = readSteps<Row>((last) =>
    connection.rows(
      `SELECT id, log_no AS "logNo", partition, log_offset AS "offset", counted_as AS "countedAs"
       FROM inbox WHERE id > $1 AND consumer = $2 ORDER BY id LIMIT ${stepRows}`,
      [last?.id ?? '', consumer],
    ),
  );
  for await (const step of steps) for (const row of step) verification.inboxEntry(row);
}

async function readPartition(verifying: Verifying, partition: number): Promise<void> {
  const { connection, verification } = verifying;
  const totals = await connection.rows<TypeTotals>(
    'SELECT event_type AS "eventType", stored, duplicate, failed, pruned FROM type_totals WHERE partition = $1',
    [partition],
  );
  for (const row of totals) verification.total(partition, row);

  const hours = await readRollups(verifying, partition);
  const closeHour = (hour: number) => compareHour(verifying, partition, hour);
  await readEvents(verifying, partition, async (hour) => {
    hours.delete(hour);
    await closeHour(hour);
  });
  // What is left has rollups and no rows: right where all of them were pruned.
  for (const hour of hours) await closeHour(hour);
}

const countColumns = 'step_ms AS "stepMs", at, event_type AS "eventType", stored, duplicate, failed, pruned';

/** @returns the hours that have any. */
async function readRollups({ connection, verification }: Verifying, partition: number): Promise<Set<number>> {
  const hours = new Set<number>();
  const steps = readSteps<RollupCountRow>((last) =>
    connection.rows(
      `SELECT ${countColumns} FROM rollup_counts WHERE partition = $1 AND (step_ms, at, event_type) > ($2, $3, $4)
       ORDER BY step_ms, at, event_type LIMIT ${stepRows}`,
      [partition, last?.stepMs ?? 0, last?.at ?? 0, last?.eventType ?? ''],
    ),
  );
  for await (const step of steps) {
    for (const row of step) {
      verification.rollup(partition, row);
      hours.add(stepStart(row.at, rollupSteps.hourMs));
    }
  }
  return hours;
}

/** In order of received_at, so that the rows of one hour stand together. */
async function readEvents(
  { connection, verification, coverage }: Verifying,
  partition: number,
  closeHour: (hour: number) => Promise<void>,
): Promise<void> {
  type Row = PositionedRow & { receivedAt: number };
  const steps = readSteps<Row>((last) =>
    connection.rows(
      `SELECT log_no AS "logNo", partition, log_offset AS "offset", received_at AS "receivedAt",
         CASE WHEN counted_as_other THEN '${otherEventType}' ELSE event_type END AS "countedAs"
       FROM events WHERE partition = $1 AND (received_at, log_offset, log_no) > ($2, $3, $4)
       ORDER BY received_at, log_offset, log_no LIMIT ${stepRows}`,
      [partition, last?.receivedAt ?? Number.MIN_SAFE_INTEGER, last?.offset ?? -1, last?.logNo ?? 0],
    ),
  );
  let current: number | null = null;
  for await (const step of steps) {
    for (const row of step) {
      const hour = stepStart(row.receivedAt, rollupSteps.hourMs);
      if (current !== null && hour !== current) await closeHour(current);
      current = hour;
      verification.event(row);
      coverage.event(row.receivedAt, row.countedAs);
    }
  }
  if (current !== null) await closeHour(current);
}

async function compareHour({ connection, coverage }: Verifying, partition: number, hour: number): Promise<void> {
  const key = [partition, hour, hour + rollupSteps.hourMs];
  const inHour = `partition = $1 AND step_ms IN (${Object.values(rollupSteps).join(', ')}) AND at >= $2 AND at < $3`;
  const [counts, latencies] = await together([
    connection.rows<RollupCountRow>(`SELECT ${countColumns} FROM rollup_counts WHERE ${inHour}`, key),
    connection.rows<{ histogram: string }>(`SELECT histogram FROM rollup_latency WHERE ${inHour}`, key),
  ]);
  const histograms = latencies.map(({ histogram }) => JSON.parse(histogram) as HistogramPairs);
  coverage.closeHour(partition, hour, counts, histograms);
}

/** Every row, a step at a time; `readAfter` reads the rows past the last one, and none only at the end. */
async function* readSteps<Row>(
  readAfter: (last: Row | null) => Promise<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  let last: Row | null = null;
  for (;;) {
    const rows: readonly Row[] = await readAfter(last);
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1)!;
  }
}
