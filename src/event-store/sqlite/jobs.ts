import type { DatabaseSync } from 'node:sqlite';
import { limits } from '../../domain/limits.ts';
import type { EventReader, Job, RedriveJobs } from '../event-store.ts';
import { jobColumns } from '../rows.ts';
import { type Attempt, allRows, firstRow, inTransaction } from './connection.ts';
import { changeEach } from './inbox.ts';

export function createJobReads(db: DatabaseSync, attempt: Attempt): Pick<EventReader, 'job' | 'claimsOf'> {
  const jobById = db.prepare(`SELECT ${jobColumns} FROM jobs WHERE id = ?`);
  const claims = db.prepare(
    'SELECT inbox_id, job_id FROM redrive_claims WHERE inbox_id IN (SELECT value FROM json_each(?))',
  );
  return {
    async job(id) {
      const row = await attempt(() => firstRow<Job>(jobById, id));
      return row === null ? null : { ...row };
    },
    async claimsOf(ids) {
      const rows = await attempt(() => allRows<{ inbox_id: string; job_id: string }>(claims, JSON.stringify(ids)));
      return new Map(rows.map(({ inbox_id, job_id }) => [inbox_id, job_id]));
    },
  };
}

export function createRedriveJobs(db: DatabaseSync, attempt: Attempt): RedriveJobs {
  const insertJob = db.prepare(
    `INSERT INTO jobs (id, kind, state, total, done, failed, message, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const updateJob = db.prepare(
    `UPDATE jobs SET state = ?, done = ?, failed = ?, message = ?, updated_at = ? WHERE id = ? AND state = 'running'`,
  );
  const end = db.prepare(
    `UPDATE jobs SET state = 'failed', message = ?, updated_at = ?
     WHERE id = ? AND state = 'running' AND updated_at = ?`,
  );
  const running = db.prepare(`SELECT ${jobColumns} FROM jobs WHERE state = 'running' ORDER BY id LIMIT ?`);
  const setTotal = db.prepare('UPDATE jobs SET total = ? WHERE id = ?');
  const claim = db.prepare(
    `INSERT INTO redrive_claims (inbox_id, job_id) SELECT id, ?1 FROM inbox WHERE id = ?2 AND state = 'open'
     ON CONFLICT DO NOTHING`,
  );
  const release = db.prepare('DELETE FROM redrive_claims WHERE inbox_id = ? AND job_id = ?');
  const releaseAll = db.prepare('DELETE FROM redrive_claims WHERE job_id = ?');
  const mark = db.prepare(`UPDATE inbox SET state = 'redriving', job_id = ? WHERE id = ? AND state = 'open'`);
  const name = db.prepare(`UPDATE inbox SET job_id = ? WHERE id = ? AND state = 'resolved' AND job_id IS NULL`);
  const deleteJob = db.prepare('DELETE FROM jobs WHERE id = ?');

  return {
    // However many they are: a claim is a few bytes.
    claimForRedrive: (ids, { id, kind, state, done, failed, message, createdAt, updatedAt }) =>
      attempt(() =>
        inTransaction(db, () => {
          insertJob.run(id, kind, state, 0, done, failed, message, createdAt, updatedAt);
          const claimed = ids.filter((inboxId) => claim.run(id, inboxId).changes === 1);
          if (claimed.length === 0) deleteJob.run(id);
          else setTotal.run(claimed.length, id);
          return claimed;
        }),
      ),
    markRedriving: (ids, jobId) =>
      changeEach(db, attempt, ids, (id) => {
        if (release.run(id, jobId).changes === 0) return false;
        const wasOpen = mark.run(jobId, id).changes === 1;
        if (!wasOpen) name.run(jobId, id);
        return wasOpen;
      }),
    saveJob: ({ id, state, done, failed, message, updatedAt }) =>
      attempt(() =>
        inTransaction(db, () => {
          const isSaved = updateJob.run(state, done, failed, message, updatedAt, id).changes === 1;
          if (isSaved && state !== 'running') releaseAll.run(id);
          return isSaved;
        }),
      ),
    async runningJobs() {
      const rows = await attempt(() => allRows<Job>(running, limits.runningJobsReadMax));
      return rows.map((row) => ({ ...row }));
    },
    endJobs: (jobs, message, now) =>
      attempt(() =>
        inTransaction(db, () => {
          const ended = jobs.filter(({ id, updatedAt }) => end.run(message, now, id, updatedAt).changes === 1);
          for (const { id } of ended) releaseAll.run(id);
          return ended.length;
        }),
      ),
  };
}
