import type { DatabaseSync } from 'node:sqlite';
import type { DuplicateRecord } from '../../domain/event.ts';
import { type HistogramPairs, mergeInto } from '../../domain/histogram.ts';
import type { InboxEntry } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import { type LatencyDelta, type RollupDelta, rollupSteps } from '../../domain/rollup.ts';
import type { CommitRequest, WriteSet } from '../batch.ts';
import { inboxColumns } from '../rows.ts';
import { firstRow } from './connection.ts';
import { createEventInsert } from './insert-events.ts';
import { idToBytes } from './rows.ts';

/** Writes what was decided, inside the transaction; all but progress. */
export function createWriter(db: DatabaseSync): (request: CommitRequest, write: WriteSet) => void {
  const insertEvents = createEventInsert(db);
  const writeDuplicate = createDuplicateInsert(db);
  const writeInboxEntry = createInboxInsert(db);
  const writeRollups = createRollupUpsert(db);
  const settle = db.prepare(
    `UPDATE inbox SET state = 'resolved', resolution = ?, settled_at = ? WHERE id = ? AND state IN ('open', 'redriving')`,
  );

  const reopen = db.prepare(
    `UPDATE inbox SET state = 'open', job_id = NULL WHERE consumer = ? AND partition = ? AND state = 'redriving'`,
  );

  return (request, write) => {
    const { consumer, partition, storedAt } = request;
    if (write.outcomes.lost > 0) reopen.run(consumer, partition);
    insertEvents(request, write);
    for (const duplicate of write.duplicates) writeDuplicate(duplicate);
    for (const entry of write.failed) writeInboxEntry(entry);
    for (const { inboxId, resolution } of write.settled) settle.run(JSON.stringify(resolution), storedAt, inboxId);
    writeRollups(partition, write.rollups);
  };
}

function createDuplicateInsert(db: DatabaseSync): (duplicate: DuplicateRecord) => void {
  const insert = db.prepare(
    `INSERT INTO duplicates (event_id, log_no, partition, log_offset, received_at)
     SELECT ?1, ?2, ?3, ?4, ?5
     WHERE (SELECT count(*) FROM duplicates WHERE event_id = ?1) < ${limits.duplicatesKeptPerEvent}`,
  );
  return ({ eventId, position, receivedAt }) => {
    insert.run(idToBytes(eventId), position.logNo, position.partition, position.offset, receivedAt);
  };
}

function createInboxInsert(db: DatabaseSync): (entry: InboxEntry) => void {
  const marks = inboxColumns.split(',').map(() => '?');
  const insert = db.prepare(`INSERT INTO inbox (${inboxColumns}) VALUES (${marks.join(', ')})`);
  return (entry) => {
    insert.run(
      entry.id,
      entry.consumer,
      entry.position.logNo,
      entry.position.partition,
      entry.position.offset,
      entry.state,
      entry.code,
      entry.message,
      entry.attempt,
      entry.eventId,
      entry.eventType,
      entry.key,
      entry.receivedAt,
      entry.failedAt,
      entry.countedAs,
      entry.jobId,
      entry.resolution === null ? null : JSON.stringify(entry.resolution),
      entry.settledAt,
      entry.value,
    );
  };
}

function createRollupUpsert(db: DatabaseSync): (partition: number, rollups: RollupDelta) => void {
  const { fineMs } = rollupSteps;
  const upsertCount = db.prepare(
    `INSERT INTO rollup_counts (partition, step_ms, at, event_type, stored, duplicate, failed)
     VALUES (?, ${fineMs}, ?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET stored = stored + excluded.stored, duplicate = duplicate + excluded.duplicate,
       failed = failed + excluded.failed`,
  );
  const upsertTotal = db.prepare(
    `INSERT INTO type_totals (partition, event_type, stored, duplicate, failed) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET stored = stored + excluded.stored, duplicate = duplicate + excluded.duplicate,
       failed = failed + excluded.failed`,
  );
  const upsertLatency = createLatencyUpsert(db);

  return (partition, { counts, latencies }) => {
    for (const { at, eventType, stored, duplicate, failed } of counts) {
      upsertCount.run(partition, at, eventType, stored, duplicate, failed);
      upsertTotal.run(partition, eventType, stored, duplicate, failed);
    }
    for (const latency of latencies) upsertLatency(partition, fineMs, latency);
  };
}

/** Adds to the histogram of a step; also what folding uses. */
export function createLatencyUpsert(
  db: DatabaseSync,
): (partition: number, stepMs: number, latency: LatencyDelta) => void {
  const select = db.prepare('SELECT histogram FROM rollup_latency WHERE partition = ? AND step_ms = ? AND at = ?');
  const upsert = db.prepare(
    `INSERT INTO rollup_latency (partition, step_ms, at, histogram, clock_skewed) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET histogram = excluded.histogram, clock_skewed = clock_skewed + excluded.clock_skewed`,
  );
  return (partition, stepMs, { at, histogram, clockSkewed }) => {
    const row = firstRow<{ histogram: string }>(select, partition, stepMs, at);
    const merged = new Map(histogram);
    if (row !== null) mergeInto(merged, JSON.parse(row.histogram) as HistogramPairs);
    const pairs = [...merged].sort((a, b) => a[0] - b[0]);
    upsert.run(partition, stepMs, at, JSON.stringify(pairs), clockSkewed);
  };
}
