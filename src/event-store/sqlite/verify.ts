import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { otherEventType } from '../../domain/event.ts';
import { UnavailableError } from '../../domain/failure.ts';
import type { HistogramPairs } from '../../domain/histogram.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';
import type { Discrepancy, TypeTotals } from '../event-store.ts';
import { type ProgressRow, progressColumns, toProgress } from '../rows.ts';
import { createCoverage } from '../verification/coverage.ts';
import {
  createFindings,
  createVerification,
  type PositionedRow,
  type PrunedInbox,
  type RollupCountRow,
} from '../verification/verification.ts';
import { type Attempt, allRows, firstRow, openConnection, sqliteSettings } from './connection.ts';

/** Rows read at a time: a few milliseconds, and then the event loop runs. */
const stepRows = 2_000;

interface Verifying {
  readonly db: DatabaseSync;
  readonly verification: ReturnType<typeof createVerification>;
  readonly coverage: ReturnType<typeof createCoverage>;
  /** Between two steps: lets others run, or gives up. */
  readonly pause: () => Promise<void>;
}

/** Reads everything in one snapshot, on a connection of its own, a step at a time. */
export async function verifyStore(path: string, consumer: string, attempt: Attempt): Promise<readonly Discrepancy[]> {
  const db = await attempt(() => openConnection(path, 'snapshot'));
  try {
    const progress = await attempt(() => beginSnapshot(db, consumer));
    const findings = createFindings();
    const verification = createVerification(progress, findings);
    const verifying = { db, verification, coverage: createCoverage(findings), pause: () => pause(path) };
    await readInbox(verifying, consumer);
    for (const partition of partitionsOf(db)) await readPartition(verifying, partition);
    verification.finish();
    return findings.list;
  } finally {
    db.close();
  }
}

function beginSnapshot(db: DatabaseSync, consumer: string) {
  if (!db.isTransaction) db.exec('BEGIN');
  const select = db.prepare(`SELECT ${progressColumns} FROM progress WHERE consumer = ? ORDER BY log_no, partition`);
  return allRows<ProgressRow>(select, consumer).map(toProgress);
}

/** A snapshot that is held keeps the WAL from starting over, so under heavy writing it must be let go at some point. */
async function pause(path: string): Promise<void> {
  const walBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (walBytes > sqliteSettings.walBytesWhileVerifying) {
    throw new UnavailableError(
      'store_busy',
      'So much is written that comparing could not keep up. Try again when there is less load.',
    );
  }
  await nextTurn();
}

/** One seek for each partition, where DISTINCT would read a whole index. */
function partitionsOf(db: DatabaseSync): number[] {
  const partitions = new Set<number>();
  for (const table of ['events', 'rollup_counts', 'rollup_latency', 'type_totals']) {
    const next = db.prepare(`SELECT min(partition) AS partition FROM ${table} WHERE partition > ?`);
    let last: number | null = -1;
    while (last !== null) {
      last = firstRow<{ partition: number | null }>(next, last)?.partition ?? null;
      if (last !== null) partitions.add(last);
    }
  }
  return [...partitions].sort((a, b) => a - b);
}

async function readInbox({ db, verification, pause }: Verifying, consumer: string): Promise<void> {
  const select = db.prepare(
    `SELECT rowid AS row_no, log_no AS logNo, partition, log_offset AS "offset", counted_as AS countedAs
     FROM inbox WHERE rowid > ? AND consumer = ? ORDER BY rowid LIMIT ${stepRows}`,
  );
  const pruned = db.prepare(
    'SELECT log_no AS logNo, partition, counted_as AS countedAs, rows FROM inbox_pruned WHERE consumer = ?',
  );
  for (const row of allRows<PrunedInbox>(pruned, consumer)) verification.inboxPruned(row);
  type Row = PositionedRow & { row_no: number };
  for (const step of readSteps<Row>((last) => allRows(select, last?.row_no ?? -1, consumer))) {
    for (const row of step) verification.inboxEntry(row);
    await pause();
  }
}

async function readPartition(verifying: Verifying, partition: number): Promise<void> {
  const { db, verification, pause } = verifying;
  const totals = db.prepare(
    'SELECT event_type AS eventType, stored, duplicate, failed, pruned FROM type_totals WHERE partition = ?',
  );
  for (const row of allRows<TypeTotals>(totals, partition)) verification.total(partition, row);

  const hours = await readRollups(verifying, partition);
  const closeHour = createHourClosing(verifying, partition);
  await readEvents(verifying, partition, (hour) => {
    hours.delete(hour);
    closeHour(hour);
  });
  // What is left has rollups and no rows: right where all of them were pruned.
  let closed = 0;
  for (const hour of hours) {
    closeHour(hour);
    if (++closed % 100 === 0) await pause();
  }
}

/** @returns the hours that have any. */
async function readRollups({ db, verification, pause }: Verifying, partition: number): Promise<Set<number>> {
  const hours = new Set<number>();
  const select = db.prepare(
    `SELECT ${countColumns} FROM rollup_counts WHERE partition = ? AND (step_ms, at, event_type) > (?, ?, ?)
     ORDER BY step_ms, at, event_type LIMIT ${stepRows}`,
  );
  const steps = readSteps<RollupCountRow>((last) =>
    allRows(select, partition, last?.stepMs ?? 0, last?.at ?? 0, last?.eventType ?? ''),
  );
  for (const step of steps) {
    for (const row of step) {
      verification.rollup(partition, row);
      hours.add(stepStart(row.at, rollupSteps.hourMs));
    }
    await pause();
  }
  return hours;
}

/** In order of received_at, so that the rows of one hour stand together. */
async function readEvents(
  { db, verification, coverage, pause }: Verifying,
  partition: number,
  closeHour: (hour: number) => void,
): Promise<void> {
  type Row = PositionedRow & { row_no: number; receivedAt: number };
  const select = `SELECT row_no, log_no AS logNo, partition, log_offset AS "offset", received_at AS receivedAt,
      CASE counted_as_other WHEN 1 THEN '${otherEventType}' ELSE event_type END AS countedAs
    FROM events`;
  const order = `ORDER BY received_at, row_no LIMIT ${stepRows}`;
  const later = db.prepare(`${select} WHERE partition = ? AND received_at > ? ${order}`);
  // Many rows can share a time; row_no is sought in the index only behind an equal one.
  const sameTime = db.prepare(`${select} WHERE partition = ? AND received_at = ? AND row_no > ? ${order}`);
  const steps = readSteps<Row>((last) => {
    const same = last === null ? [] : allRows<Row>(sameTime, partition, last.receivedAt, last.row_no);
    return same.length > 0 ? same : allRows<Row>(later, partition, last?.receivedAt ?? Number.MIN_SAFE_INTEGER);
  });
  let current: number | null = null;
  for (const step of steps) {
    for (const row of step) {
      const hour = stepStart(row.receivedAt, rollupSteps.hourMs);
      if (current !== null && hour !== current) closeHour(current);
      current = hour;
      verification.event(row);
      coverage.event(row.receivedAt, row.countedAs);
    }
    await pause();
  }
  if (current !== null) closeHour(current);
}

const countColumns = 'step_ms AS stepMs, at, event_type AS eventType, stored, duplicate, failed, pruned';

function createHourClosing({ db, coverage }: Verifying, partition: number): (hour: number) => void {
  const inHour = `partition = ? AND step_ms IN (${Object.values(rollupSteps).join(', ')}) AND at >= ? AND at < ?`;
  const selectCounts = db.prepare(`SELECT ${countColumns} FROM rollup_counts WHERE ${inHour}`);
  const selectLatencies = db.prepare(`SELECT histogram FROM rollup_latency WHERE ${inHour}`);
  return (hour) => {
    const key = [partition, hour, hour + rollupSteps.hourMs] as const;
    const counts = allRows<RollupCountRow>(selectCounts, ...key);
    const histograms = allRows<{ histogram: string }>(selectLatencies, ...key).map(
      (row) => JSON.parse(row.histogram) as HistogramPairs,
    );
    coverage.closeHour(partition, hour, counts, histograms);
  };
}

/** Every row, a step at a time; `readAfter` reads the rows past the last one, and none only at the end. */
function* readSteps<Row>(readAfter: (last: Row | null) => readonly Row[]): Generator<readonly Row[]> {
  let last: Row | null = null;
  for (;;) {
    const rows: readonly Row[] = readAfter(last);
    if (rows.length === 0) return;
    yield rows;
    last = rows.at(-1)!;
  }
}
