-- Inbox rows that a job is about to redrive. A claim keeps everybody else from redriving or discarding the row, and is worth
-- as much as its job: it ends with it. In a table of its own, since a row of the inbox is rewritten whole.
CREATE TABLE redrive_claims (
  inbox_id TEXT NOT NULL PRIMARY KEY,
  job_id TEXT NOT NULL REFERENCES jobs (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX redrive_claims_job ON redrive_claims (job_id);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
