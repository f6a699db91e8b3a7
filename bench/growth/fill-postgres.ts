import type { Client } from 'pg';
import { relativeError } from '../../src/domain/histogram.ts';
import { storeConsumer } from '../../src/domain/inbox.ts';
import { limits } from '../../src/domain/limits.ts';
import { rollupSteps, stepStart } from '../../src/domain/rollup.ts';
import { partitions, withDatabase } from '../parts/servers.ts';
import { batchRowsOf, type Fill, openFailed, sources, standingSql, timeOrderSql } from './fill.ts';

/** Rows of one statement: half a minute at most. */
const rowsAtATime = 500_000;
/** Connections that fill side by side. */
const lanes = 2;

/**
 * Fills an empty database by SQL, in minutes: rows of an earlier log, with the rollups, totals and progress that the
 * product would have written with them, so that `esp verify` finds nothing. The product then adopts its topic as the
 * next log, as after a topic was lost, and goes on.
 */
export async function fillPostgres(databaseUrl: string, fill: Fill): Promise<void> {
  const now = Date.now();
  const parts = Array.from({ length: Math.ceil(fill.rows / rowsAtATime) }, (_, part) => part * rowsAtATime);
  await withDatabase(databaseUrl, async (client) => {
    for (const sql of settingsSql) await client.query(sql);
    await client.query(contentsSql);
    await client.query('ANALYZE filled_contents');
    const makeIndexes = await dropIndexes(client, fill);
    const laneParts = Array.from({ length: lanes }, (_, lane) => parts.filter((_, part) => part % lanes === lane));
    await Promise.all(laneParts.map((own) => insertEvents(databaseUrl, fill, now, own)));
    await client.query('DROP TABLE filled_contents');
    for (const sql of makeIndexes) await client.query(sql);
    if (fill.failed > 0) await client.query(failedSql(fill, now));
    for (const sql of countsSql(now)) await client.query(sql);
    await client.query('VACUUM (ANALYZE, BUFFER_USAGE_LIMIT 0)');
    await client.query('CHECKPOINT');
  });
}

/** Of the connection: what is sorted and counted fits into memory. */
const settingsSql = ["SET work_mem = '512MB'", "SET maintenance_work_mem = '1GB'"];

/**
 * Payloads like those of the other measurements, and a hash beside each, made once: of a row they take most of the
 * time.
 */
const contents = 10_000;
const contentsSql = `CREATE UNLOGGED TABLE filled_contents AS
  SELECT n::integer AS place, sha256(int8send(n)) AS content_hash,
    ('{"order_id":"' || lpad(n::text, 8, '0') || '","customer":"customer-' || n % 997 || '","amount":' || n * 7919 % 99900
      || ',"currency":"EUR","express":' || (n % 3 = 0)::text || ',"items":[' || n % 7 || ',' || n % 11
      || '],"note":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}')::jsonb AS payload
  FROM generate_series(0::bigint, ${contents - 1}) AS n`;

/**
 * Made again behind the rows, which takes a third of the time. @returns how. An index of random ids is left with as
 * much room in its pages as it has where they came one by one: pages that split at any place are 69 % full.
 */
async function dropIndexes(client: Client, { ids }: Fill): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'events' AND indexname <> 'events_id'`,
  );
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`);
  await client.query('ALTER TABLE events DROP CONSTRAINT events_id');
  const room = ids === 'v4' ? 'WITH (fillfactor = 69)' : '';
  return [
    `ALTER TABLE events ADD CONSTRAINT events_id PRIMARY KEY (id) ${room}`,
    ...rows.map(({ definition }) => definition),
  ];
}

async function insertEvents(databaseUrl: string, fill: Fill, now: number, parts: readonly number[]): Promise<void> {
  await withDatabase(databaseUrl, async (client) => {
    // Rows lie in the order of their numbers, as batches store them: a hash of the contents keeps it, a merge would
    // sort by them.
    await client.query('SET enable_mergejoin = off');
    for (const from of parts) await client.query(eventsSql(fill, now, from, Math.min(from + rowsAtATime, fill.rows)));
  });
}

/** Event number n: its place, its time, and one of the contents. */
function eventsSql(fill: Fill, now: number, from: number, to: number): string {
  const batch = batchRowsOf(fill);
  // 28672 is 7000 in base 16; the hash keeps 62 bits behind those that say a or b.
  const v7 = `('0' || to_hex(at) || to_hex(28672 + n % 4096) || to_hex(hashint8extended(n, 7) & ${2n ** 62n - 1n} | ${-(2n ** 63n)}))::uuid`;
  const v4 = `overlay(overlay(md5(n::text) PLACING '4' FROM 13) PLACING 'a' FROM 17)::uuid`;
  return `INSERT INTO events (id, log_no, partition, log_offset, received_at, stored_at, counted_as_other, event_type,
      source, content_hash, payload)
    SELECT ${fill.ids === 'v7' ? v7 : v4}, 1, n / ${batch} % ${partitions},
      n / ${batch * partitions} * ${batch} + n % ${batch}, at, at + 3 + n % 40, false, ${typeSql(fill)},
      'source-' || n % ${sources}, content_hash, payload
    FROM (SELECT n, ${timeSql(fill, now, fill.rows, timeOrderSql(fill, partitions))} AS at FROM generate_series(${from}::bigint, ${to - 1}) AS n) AS numbered
    JOIN filled_contents ON place = n % ${contents}`;
}

function typeSql({ types }: Fill): string {
  return `'filled.type_' || lpad((n % ${types})::text, 4, '0')`;
}

function timeSql({ spanMs }: Fill, now: number, of: number, place = 'n'): string {
  return `${now - spanMs} + ((${place}) * (${spanMs}::float8 / ${of}))::bigint`;
}

/** Behind the events of their partitions. */
function failedSql(fill: Fill, now: number): string {
  const { failed } = fill;
  const ifOpen = (value: string, otherwise: string) =>
    `CASE WHEN n >= ${failed - openFailed} THEN ${value} ELSE ${otherwise} END`;
  return `WITH ends AS (SELECT partition, max(log_offset) + 1 AS next FROM events GROUP BY partition)
    INSERT INTO inbox (id, consumer, log_no, partition, log_offset, state, code, message, attempt, event_type,
      received_at, failed_at, counted_as, resolution, settled_at, value)
    SELECT '${storeConsumer}:1:' || partition || ':' || place, '${storeConsumer}', 1, partition, place,
      ${ifOpen("'open'", "'discarded'")}, 'conflict', 'filled', 1, type, at, at + 5, type,
      ${ifOpen('null', `'{"kind":"discarded"}'::jsonb`)}, ${ifOpen('null', 'at + 60000')}, convert_to(repeat('x', 200), 'UTF8')
    FROM (
      SELECT n, partition, next + n / ${partitions} AS place, ${timeSql(fill, now, failed)} AS at, ${typeSql(fill)} AS type
      FROM generate_series(0::bigint, ${failed - 1}) AS n JOIN ends ON ends.partition = n % ${partitions}
    ) AS numbered`;
}

/** What the rows add up to, in steps as long as maintenance leaves them. */
function countsSql(now: number): readonly string[] {
  const { fineMs, minuteMs, hourMs } = rollupSteps;
  const fineFrom = stepStart(now - limits.rollupFineKeptMs, minuteMs);
  const minutesFrom = stepStart(now - limits.rollupMinuteKeptMs, hourMs);
  const stepped = `(SELECT *, CASE WHEN received_at >= ${fineFrom} THEN ${fineMs} WHEN received_at >= ${minutesFrom} THEN ${minuteMs}
    ELSE ${hourMs} END AS step_ms`;
  const gamma = (1 + relativeError) / (1 - relativeError);
  const bucket = `ceil(ln((stored_at - received_at)::float8) / ${Math.log(gamma)} - 1e-9)::integer`;
  return [
    // Rows of a step side by side, as folding leaves them: who reads a step reads few pages.
    'ALTER TABLE rollup_counts DROP CONSTRAINT rollup_counts_of',
    `INSERT INTO rollup_counts (partition, step_ms, at, event_type, stored, duplicate, failed)
       SELECT partition, step_ms, received_at - received_at % step_ms AS at, event_type, count(*), 0, 0
       FROM ${stepped} FROM events) AS stepped GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
    'ALTER TABLE rollup_counts ADD CONSTRAINT rollup_counts_of PRIMARY KEY (partition, step_ms, at, event_type)',
    `INSERT INTO rollup_counts AS counts (partition, step_ms, at, event_type, stored, duplicate, failed)
       SELECT partition, step_ms, received_at - received_at % step_ms AS at, counted_as, 0, 0, count(*)
       FROM ${stepped} FROM inbox) AS stepped GROUP BY 1, 2, 3, 4
       ON CONFLICT ON CONSTRAINT rollup_counts_of DO UPDATE SET failed = counts.failed + excluded.failed`,
    `INSERT INTO rollup_latency (partition, step_ms, at, histogram, clock_skewed)
       SELECT partition, step_ms, at, json_agg(json_build_array(bucket, n) ORDER BY bucket), 0
       FROM (
         SELECT partition, step_ms, received_at - received_at % step_ms AS at, ${bucket} AS bucket, count(*) AS n
         FROM ${stepped} FROM events) AS stepped
         GROUP BY 1, 2, 3, 4
       ) AS counted
       GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    ...standingSql(now),
  ];
}
