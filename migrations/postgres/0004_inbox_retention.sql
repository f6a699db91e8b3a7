-- How many inbox rows retention has removed, of those that progress and totals count as failed.
CREATE TABLE inbox_pruned (
  consumer text COLLATE "C" NOT NULL,
  log_no integer NOT NULL,
  partition integer NOT NULL,
  counted_as text COLLATE "C" NOT NULL,
  rows bigint NOT NULL,
  CONSTRAINT inbox_pruned_of PRIMARY KEY (consumer, log_no, partition, counted_as)
) WITH (fillfactor = 50);

-- What retention looks for.
CREATE INDEX inbox_settled ON inbox (consumer, partition, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX jobs_ended ON jobs (updated_at) WHERE state <> 'running';
