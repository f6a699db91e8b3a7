-- How far a partition's inbox rows have been published for other consumers: everything up to and with this position.
CREATE TABLE publications (
  consumer text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  log_no integer NOT NULL,
  log_offset bigint NOT NULL,
  CONSTRAINT publications_of PRIMARY KEY (consumer, partition)
) WITH (fillfactor = 50);

CREATE INDEX inbox_position ON inbox (consumer, partition, log_no, log_offset);
