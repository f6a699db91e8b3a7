-- Inbox rows that a job is about to redrive. A claim keeps everybody else from redriving or discarding the row, and is worth
-- as much as its job: it ends with it.
CREATE TABLE redrive_claims (
  inbox_id text COLLATE "C" NOT NULL,
  job_id text COLLATE "C" NOT NULL REFERENCES jobs (id),
  CONSTRAINT redrive_claims_of PRIMARY KEY (inbox_id)
);

CREATE INDEX redrive_claims_job ON redrive_claims (job_id);
CREATE INDEX jobs_running ON jobs (id) WHERE state = 'running';
