import type { DuplicateRecord } from '../../domain/event.ts';
import { type HistogramPairs, mergeInto } from '../../domain/histogram.ts';
import { limits } from '../../domain/limits.ts';
import { type LatencyDelta, type RollupDelta, rollupSteps } from '../../domain/rollup.ts';
import type { CommitRequest, EventsToStore, SettledEntry, WriteSet } from '../batch.ts';
import type { Connection } from './connection.ts';
import { copyOfEvents, copyOfInbox } from './copy.ts';
import type { KnownLatencies } from './latencies.ts';
import { statement } from './statement.ts';
import { together } from './together.ts';

/*
 * What is sent here has the commit right behind it. So none of these functions is async: what a value makes them throw
 * is thrown to whoever would commit, and not kept in a promise beside it.
 */

/** The fastest way in. An id that is taken meanwhile fails it, and with it the transaction. */
export function copyEvents(connection: Connection, request: CommitRequest, write: EventsToStore): Promise<unknown> {
  if (write.events.length === 0) return Promise.resolve();
  const { command, data } = copyOfEvents(request, write);
  return connection.copyIn(command, data);
}

/**
 * Everything that was decided besides the events, and besides progress; sent at once. `latencies` are those of its
 * steps.
 */
export function writeRest(
  connection: Connection,
  { consumer, partition, storedAt }: CommitRequest,
  write: WriteSet,
  latencies: KnownLatencies,
): Promise<unknown> {
  const sent: Promise<unknown>[] = [];
  if (write.outcomes.lost > 0) sent.push(reopenRedriven(connection, consumer, partition));
  if (write.duplicates.length > 0) sent.push(writeDuplicates(connection, write.duplicates));
  if (write.failed.length > 0) {
    const { command, data } = copyOfInbox(write.failed);
    sent.push(connection.copyIn(command, data));
  }
  if (write.settled.length > 0) sent.push(settle(connection, write.settled, storedAt));
  if (write.rollups.counts.length > 0) sent.push(addCounts(connection, partition, write.rollups));
  if (write.rollups.latencies.length > 0) {
    sent.push(addLatencies(connection, partition, rollupSteps.fineMs, write.rollups.latencies, latencies));
  }
  return together(sent);
}

const insertDuplicates = statement(
  `INSERT INTO duplicates (event_id, log_no, partition, log_offset, received_at)
   SELECT event_id, log_no, partition, log_offset, received_at
   FROM (
     SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY place) AS nth
     FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::bigint[], $5::bigint[])
       WITH ORDINALITY AS found (event_id, log_no, partition, log_offset, received_at, place)
   ) AS numbered
   WHERE nth + (SELECT count(*) FROM duplicates AS known WHERE known.event_id = numbered.event_id) <= $6`,
);

/** No more of one event than its timeline shows. */
function writeDuplicates(connection: Connection, duplicates: readonly DuplicateRecord[]): Promise<unknown> {
  return connection.changes(insertDuplicates, [
    duplicates.map(({ eventId }) => eventId),
    duplicates.map(({ position }) => position.logNo),
    duplicates.map(({ position }) => position.partition),
    duplicates.map(({ position }) => position.offset),
    duplicates.map(({ receivedAt }) => receivedAt),
    limits.duplicatesKeptPerEvent,
  ]);
}

function reopenRedriven(connection: Connection, consumer: string, partition: number): Promise<unknown> {
  return connection.changes(
    `UPDATE inbox SET state = 'open', job_id = NULL WHERE consumer = $1 AND partition = $2 AND state = 'redriving'`,
    [consumer, partition],
  );
}

/** A row that two records of the batch settle is settled by the first. */
function settle(connection: Connection, settled: readonly SettledEntry[], storedAt: number): Promise<unknown> {
  return connection.changes(
    `UPDATE inbox SET state = 'resolved', resolution = first.resolution::jsonb, settled_at = $3
     FROM (
       SELECT DISTINCT ON (id) id, resolution
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS settled (id, resolution, place) ORDER BY id, place
     ) AS first
     WHERE inbox.id = first.id AND state IN ('open', 'redriving')`,
    [settled.map(({ inboxId }) => inboxId), settled.map(({ resolution }) => JSON.stringify(resolution)), storedAt],
  );
}

const addToCounts = statement(
  `WITH delta AS (
     SELECT * FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
       AS added (at, event_type, stored, duplicate, failed)
   ), counted AS (
     INSERT INTO rollup_counts AS r (partition, step_ms, at, event_type, stored, duplicate, failed)
     SELECT $1, ${rollupSteps.fineMs}, at, event_type, stored, duplicate, failed FROM delta
     ON CONFLICT ON CONSTRAINT rollup_counts_of DO UPDATE SET stored = r.stored + excluded.stored,
       duplicate = r.duplicate + excluded.duplicate, failed = r.failed + excluded.failed
   )
   INSERT INTO type_totals AS t (partition, event_type, stored, duplicate, failed)
   SELECT $1, event_type, sum(stored), sum(duplicate), sum(failed) FROM delta GROUP BY event_type
   ON CONFLICT ON CONSTRAINT type_totals_of DO UPDATE SET stored = t.stored + excluded.stored,
     duplicate = t.duplicate + excluded.duplicate, failed = t.failed + excluded.failed`,
);

function addCounts(connection: Connection, partition: number, { counts }: RollupDelta): Promise<unknown> {
  return connection.changes(addToCounts, [
    partition,
    counts.map(({ at }) => at),
    counts.map(({ eventType }) => eventType),
    counts.map(({ stored }) => stored),
    counts.map(({ duplicate }) => duplicate),
    counts.map(({ failed }) => failed),
  ]);
}

const replaceHistograms = statement(
  `INSERT INTO rollup_latency AS r (partition, step_ms, at, histogram, clock_skewed)
   SELECT $1, $2, at, histogram::json, clock_skewed
   FROM unnest($3::bigint[], $4::text[], $5::bigint[]) AS added (at, histogram, clock_skewed)
   ON CONFLICT ON CONSTRAINT rollup_latency_of DO UPDATE SET histogram = excluded.histogram,
     clock_skewed = r.clock_skewed + excluded.clock_skewed`,
);

/** Adds to the histograms of steps, each given once and looked up in `known`; also what folding uses. */
export function addLatencies(
  connection: Connection,
  partition: number,
  stepMs: number,
  latencies: readonly LatencyDelta[],
  known: KnownLatencies,
): Promise<unknown> {
  const before = (at: number) => JSON.parse(known.get(at) ?? '[]') as HistogramPairs;
  return connection.changes(replaceHistograms, [
    partition,
    stepMs,
    latencies.map(({ at }) => at),
    latencies.map(({ at, histogram }) => JSON.stringify(merged(histogram, before(at)))),
    latencies.map(({ clockSkewed }) => clockSkewed),
  ]);
}

export function merged(...histograms: readonly HistogramPairs[]): HistogramPairs {
  const sum = new Map<number, number>();
  for (const pairs of histograms) mergeInto(sum, pairs);
  return [...sum].sort((a, b) => a[0] - b[0]);
}
