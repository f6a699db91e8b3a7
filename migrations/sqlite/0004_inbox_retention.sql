-- How many inbox rows retention has removed, of those that progress and totals count as failed.
CREATE TABLE inbox_pruned (
  consumer TEXT NOT NULL,
  log_no INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  counted_as TEXT NOT NULL,
  rows INTEGER NOT NULL,
  PRIMARY KEY (consumer, log_no, partition, counted_as)
) STRICT, WITHOUT ROWID;

-- What retention looks for.
CREATE INDEX inbox_settled ON inbox (consumer, partition, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (updated_at) WHERE state <> 'running';
