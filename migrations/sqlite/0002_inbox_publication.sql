-- How far a partition's inbox rows have been published for other consumers: everything up to and with this position.
CREATE TABLE publications (
  consumer TEXT NOT NULL,
  partition INTEGER NOT NULL,
  log_no INTEGER NOT NULL,
  log_offset INTEGER NOT NULL,
  PRIMARY KEY (consumer, partition)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox_position ON inbox (consumer, partition, log_no, log_offset);
