import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { bucketOf } from '../../src/domain/histogram.ts';
import { storeConsumer } from '../../src/domain/inbox.ts';
import { limits } from '../../src/domain/limits.ts';
import { rollupSteps, stepStart } from '../../src/domain/rollup.ts';
import { batchRowsOf, type Fill, openFailed, sources, standingSql, timeOrderSql } from './fill.ts';

const partitions = 8;

/**
 * As `fillPostgres`, of the store of a data directory that was started once and has no events. What the start wrote of
 * its log goes: the log is adopted afterwards.
 */
export function fillSqlite(dataDir: string, fill: Fill): void {
  const now = Date.now();
  const database = new DatabaseSync(join(dataDir, 'store.sqlite'));
  try {
    database.function('bucket', { deterministic: true }, (latencyMs) => bucketOf(Number(latencyMs)));
    // Nothing else has the file, and what a crash leaves is thrown away.
    database.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; PRAGMA temp_store = MEMORY');
    const indexes = database
      .prepare(`SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'events' AND sql IS NOT NULL`)
      .all();
    database.exec('BEGIN; DELETE FROM progress; DELETE FROM logs');
    for (const { name } of indexes) database.exec(`DROP INDEX ${name}`);
    database.exec(eventsSql(fill, now));
    for (const { sql } of indexes) database.exec(String(sql));
    if (fill.failed > 0) database.exec(failedSql(fill, now));
    for (const sql of countsSql(now)) database.exec(sql);
    database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
  } finally {
    database.close();
  }
}

const numbers = (count: number) =>
  `WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ${count})`;
const timeSql = ({ spanMs }: Fill, now: number, of: number, place = 'n') =>
  `${now - spanMs} + (${place}) * ${spanMs} / ${of}`;
const typeSql = ({ types }: Fill) => `printf('filled.type_%04d', n % ${types})`;

function eventsSql(fill: Fill, now: number): string {
  const batch = batchRowsOf(fill);
  const id = fill.ids === 'v7' ? `unhex(printf('%012x7%03xa%015x', at, n % 4096, n))` : `randomblob(16)`;
  return `${numbers(fill.rows)}
    INSERT INTO events (id, log_no, partition, log_offset, received_at, stored_at, counted_as_other, event_type, source,
      content_hash, payload)
    SELECT ${id}, 1, n / ${batch} % ${partitions}, n / ${batch * partitions} * ${batch} + n % ${batch}, at, at + 3 + n % 40, 0,
      ${typeSql(fill)}, 'source-' || (n % ${sources}), randomblob(32),
      printf('{"order_id":"%08d","customer":"customer-%d","amount":%d,"currency":"EUR","items":[%d,%d],"note":"%s"}', n, n % 997,
        n * 7919 % 99900, n % 7, n % 11, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')
    FROM (SELECT n, ${timeSql(fill, now, fill.rows, timeOrderSql(fill, partitions))} AS at FROM numbers)`;
}

function failedSql(fill: Fill, now: number): string {
  const ifOpen = (value: string, otherwise: string) => `iif(n >= ${fill.failed - openFailed}, ${value}, ${otherwise})`;
  return `${numbers(fill.failed)},
      ends AS (SELECT partition, max(log_offset) + 1 AS next FROM events GROUP BY partition)
    INSERT INTO inbox (id, consumer, log_no, partition, log_offset, state, code, message, attempt, event_type, received_at,
      failed_at, counted_as, resolution, settled_at, value)
    SELECT '${storeConsumer}:1:' || partition || ':' || place, '${storeConsumer}', 1, partition, place,
      ${ifOpen("'open'", "'discarded'")}, 'conflict', 'filled', 1, type, at, at + 5, type,
      ${ifOpen('NULL', `'{"kind":"discarded"}'`)}, ${ifOpen('NULL', 'at + 60000')}, zeroblob(200)
    FROM (
      SELECT n, partition, next + n / ${partitions} AS place, ${timeSql(fill, now, fill.failed)} AS at, ${typeSql(fill)} AS type
      FROM numbers JOIN ends ON ends.partition = n % ${partitions}
    )`;
}

function countsSql(now: number): readonly string[] {
  const { fineMs, minuteMs, hourMs } = rollupSteps;
  const fineFrom = stepStart(now - limits.rollupFineKeptMs, minuteMs);
  const minutesFrom = stepStart(now - limits.rollupMinuteKeptMs, hourMs);
  const stepped = `(SELECT *, CASE WHEN received_at >= ${fineFrom} THEN ${fineMs} WHEN received_at >= ${minutesFrom} THEN ${minuteMs}
    ELSE ${hourMs} END AS step_ms`;
  return [
    `INSERT INTO rollup_counts (partition, step_ms, at, event_type, stored, duplicate, failed)
       SELECT partition, step_ms, received_at - received_at % step_ms AS at, event_type, count(*), 0, 0
       FROM ${stepped} FROM events) GROUP BY 1, 2, 3, 4`,
    `INSERT INTO rollup_counts (partition, step_ms, at, event_type, stored, duplicate, failed)
       SELECT partition, step_ms, received_at - received_at % step_ms AS at, counted_as, 0, 0, count(*)
       FROM ${stepped} FROM inbox) WHERE true GROUP BY 1, 2, 3, 4
       ON CONFLICT DO UPDATE SET failed = failed + excluded.failed`,
    `INSERT INTO rollup_latency (partition, step_ms, at, histogram, clock_skewed)
       SELECT partition, step_ms, at, json_group_array(json_array(bucket, n)), 0
       FROM (
         SELECT partition, step_ms, received_at - received_at % step_ms AS at, bucket(stored_at - received_at) AS bucket,
           count(*) AS n
         FROM ${stepped} FROM events) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
       ) GROUP BY 1, 2, 3`,
    ...standingSql(now),
    'ANALYZE',
  ];
}
