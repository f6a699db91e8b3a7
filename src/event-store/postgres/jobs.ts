import { limits } from '../../domain/limits.ts';
import type { EventReader, Job, RedriveJobs } from '../event-store.ts';
import { jobColumns } from '../rows.ts';
import type { Connection } from './connection.ts';
import type { Database } from './database.ts';
import { lockOpen } from './inbox.ts';

export function createJobReads(database: Pick<Database, 'read'>): Pick<EventReader, 'job' | 'claimsOf'> {
  return {
    async job(id) {
      const [row] = await database.read((connection) =>
        connection.rows<Job>(`SELECT ${jobColumns} FROM jobs WHERE id = $1`, [id]),
      );
      return row === undefined ? null : { ...row };
    },
    async claimsOf(ids) {
      const rows = await database.read((connection) =>
        connection.rows<{ inbox_id: string; job_id: string }>(
          'SELECT inbox_id, job_id FROM redrive_claims WHERE inbox_id = ANY($1::text[])',
          [ids],
        ),
      );
      return new Map(rows.map(({ inbox_id, job_id }) => [inbox_id, job_id]));
    },
  };
}

/** Whoever needs both locks inbox rows before claims. */
export function createRedriveJobs(database: Pick<Database, 'read' | 'write'>): RedriveJobs {
  return {
    claimForRedrive: (ids, job) => database.write((connection) => claimForRedrive(connection, ids, job)),
    markRedriving: (ids, jobId) =>
      database.write(async (connection) => {
        const open = await lockOpen(connection, ids);
        await connection.changes(
          `UPDATE inbox SET job_id = $2 WHERE id = ANY($1::text[]) AND state = 'resolved' AND job_id IS NULL
             AND EXISTS (SELECT FROM redrive_claims WHERE inbox_id = inbox.id AND redrive_claims.job_id = $2)`,
          [ids, jobId],
        );
        const released = await connection.rows<{ inbox_id: string }>(
          'DELETE FROM redrive_claims WHERE inbox_id = ANY($1::text[]) AND job_id = $2 RETURNING inbox_id',
          [ids, jobId],
        );
        const claimed = new Set(released.map(({ inbox_id }) => inbox_id));
        const marked = open.filter((id) => claimed.has(id));
        await connection.changes(`UPDATE inbox SET state = 'redriving', job_id = $2 WHERE id = ANY($1::text[])`, [
          marked,
          jobId,
        ]);
        return marked;
      }),
    saveJob: ({ id, state, done, failed, message, updatedAt }) =>
      database.write(async (connection) => {
        const saved = await connection.changes(
          `UPDATE jobs SET state = $2, done = $3, failed = $4, message = $5, updated_at = $6
           WHERE id = $1 AND state = 'running'`,
          [id, state, done, failed, message, updatedAt],
        );
        if (saved === 1 && state !== 'running') await release(connection, [id]);
        return saved === 1;
      }),
    runningJobs: () =>
      database.read((connection) =>
        connection.rows<Job>(
          `SELECT ${jobColumns} FROM jobs WHERE state = 'running' ORDER BY id LIMIT ${limits.runningJobsReadMax}`,
          [],
        ),
      ),
    endJobs: (jobs, message, now) =>
      database.write(async (connection) => {
        const ended = await connection.rows<{ id: string }>(
          `UPDATE jobs SET state = 'failed', message = $3, updated_at = $4
           FROM unnest($1::text[], $2::bigint[]) AS found (id, updated_at)
           WHERE jobs.id = found.id AND jobs.updated_at = found.updated_at AND state = 'running'
           RETURNING jobs.id`,
          [jobs.map(({ id }) => id), jobs.map(({ updatedAt }) => updatedAt), message, now],
        );
        await release(
          connection,
          ended.map(({ id }) => id),
        );
        return ended.length;
      }),
  };
}

async function claimForRedrive(connection: Connection, ids: readonly string[], job: Job): Promise<readonly string[]> {
  const { id, kind, state, done, failed, message, createdAt, updatedAt } = job;
  const open = await lockOpen(connection, ids);
  const taken = await connection.rows<{ inbox_id: string }>(
    'SELECT inbox_id FROM redrive_claims WHERE inbox_id = ANY($1::text[])',
    [open],
  );
  const others = new Set(taken.map(({ inbox_id }) => inbox_id));
  const free = open.filter((inboxId) => !others.has(inboxId));
  if (free.length === 0) return [];
  await connection.changes(
    `INSERT INTO jobs (id, kind, state, total, done, failed, message, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [id, kind, state, free.length, done, failed, message, createdAt, updatedAt],
  );
  await connection.changes('INSERT INTO redrive_claims (inbox_id, job_id) SELECT unnest($1::text[]), $2', [free, id]);
  return free;
}

async function release(connection: Connection, jobIds: readonly string[]): Promise<void> {
  await connection.changes('DELETE FROM redrive_claims WHERE job_id = ANY($1::text[])', [jobIds]);
}
