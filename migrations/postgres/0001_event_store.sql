-- The store on PostgreSQL; docs/decisions/0008-postgres-store.md has the reasons. Times are milliseconds since the epoch:
-- to_timestamp(received_at / 1000.0) is the moment. Texts that are compared or sorted are bytes to the store, whatever the
-- database's locale: a library that sorts differently after an upgrade of the system can't break an index here.
-- Checks named *_invariant guard the ledger: one that fails is a fault of the program, never of a record.

CREATE TABLE logs (
  log_no integer CONSTRAINT logs_no PRIMARY KEY,
  log_id text NOT NULL,
  adopted_at bigint NOT NULL
);

-- Changed by every batch: half of each page is left for the next versions of its rows, which then touch no index.
CREATE TABLE progress (
  consumer text COLLATE "C" NOT NULL,
  log_no integer NOT NULL REFERENCES logs (log_no),
  partition integer NOT NULL,
  log_id text NOT NULL,
  base bigint NOT NULL,
  next_offset bigint NOT NULL,
  last_offset bigint,
  last_hash bytea,
  owner_epoch bigint NOT NULL,
  commit_token text NOT NULL,
  stored bigint NOT NULL DEFAULT 0,
  duplicate bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  lost bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  pruned bigint NOT NULL DEFAULT 0,
  CONSTRAINT progress_of PRIMARY KEY (consumer, log_no, partition),
  CONSTRAINT ledger_invariant CHECK (next_offset - base = stored + duplicate + failed + lost + skipped),
  CONSTRAINT pruned_invariant CHECK (pruned BETWEEN 0 AND stored)
) WITH (fillfactor = 50);

-- Columns of fixed length first, so that none is padded. Dead rows come from retention alone, 5,000 at a time: cleaned up
-- at a twentieth of the table, before it grows by a fifth.
CREATE TABLE events (
  id uuid NOT NULL,
  received_at bigint NOT NULL,
  stored_at bigint NOT NULL,
  log_offset bigint NOT NULL,
  log_no integer NOT NULL,
  partition integer NOT NULL,
  -- Counted under (other); pruning must find the rollup row that counted it.
  counted_as_other boolean NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  client_id text,
  source text,
  key text,
  -- As it was sent: an offset or a digit more or less is another content.
  occurred_at text,
  redrive_of text,
  content_hash bytea NOT NULL,
  payload jsonb NOT NULL,
  CONSTRAINT events_id PRIMARY KEY (id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- Lists, pruning and verification. A batch is of one partition, so its entries go to the end of one run of pages.
CREATE INDEX events_partition_received ON events (partition, received_at, log_offset);
-- Lists of one type. Equal keys share one entry, which keeps it small.
CREATE INDEX events_type_received ON events (event_type, received_at);

CREATE TABLE duplicates (
  event_id uuid NOT NULL,
  log_no integer NOT NULL,
  partition integer NOT NULL,
  log_offset bigint NOT NULL,
  received_at bigint NOT NULL,
  CONSTRAINT duplicates_at PRIMARY KEY (event_id, log_no, partition, log_offset)
);

CREATE TABLE inbox (
  id text COLLATE "C" NOT NULL,
  consumer text COLLATE "C" NOT NULL,
  log_no integer NOT NULL,
  partition integer NOT NULL,
  log_offset bigint NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('open', 'redriving', 'resolved', 'discarded')),
  code text COLLATE "C" NOT NULL,
  message text NOT NULL,
  attempt integer NOT NULL,
  -- Known only as far as the record could be read, so not always a UUID.
  event_id text COLLATE "C",
  event_type text COLLATE "C",
  key text,
  received_at bigint NOT NULL,
  failed_at bigint NOT NULL,
  counted_as text COLLATE "C" NOT NULL,
  job_id text,
  -- How the row was settled.
  resolution jsonb,
  settled_at bigint,
  value bytea NOT NULL,
  CONSTRAINT inbox_id PRIMARY KEY (id)
);

CREATE INDEX inbox_unsettled ON inbox (consumer) WHERE state IN ('open', 'redriving');
CREATE INDEX inbox_failed ON inbox (failed_at, id);
CREATE INDEX inbox_state ON inbox (state, failed_at, id);
CREATE INDEX inbox_type ON inbox (event_type, failed_at, id);
CREATE INDEX inbox_code ON inbox (code, failed_at, id);
CREATE INDEX inbox_event ON inbox (event_id, failed_at, id) WHERE event_id IS NOT NULL;

-- Every event counts in exactly one row; folding moves it from 10 s to a minute to an hour.
CREATE TABLE rollup_counts (
  partition integer NOT NULL,
  step_ms integer NOT NULL,
  at bigint NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  stored bigint NOT NULL,
  duplicate bigint NOT NULL,
  failed bigint NOT NULL,
  pruned bigint NOT NULL DEFAULT 0,
  CONSTRAINT rollup_counts_of PRIMARY KEY (partition, step_ms, at, event_type),
  CONSTRAINT rollup_invariant CHECK (pruned BETWEEN 0 AND stored)
) WITH (fillfactor = 70);

-- histogram: array of [bucket, count]; json and not jsonb, which would take four times the room.
CREATE TABLE rollup_latency (
  partition integer NOT NULL,
  step_ms integer NOT NULL,
  at bigint NOT NULL,
  histogram json NOT NULL,
  clock_skewed bigint NOT NULL,
  CONSTRAINT rollup_latency_of PRIMARY KEY (partition, step_ms, at)
) WITH (fillfactor = 50);

CREATE TABLE type_totals (
  partition integer NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  stored bigint NOT NULL,
  duplicate bigint NOT NULL,
  failed bigint NOT NULL,
  pruned bigint NOT NULL DEFAULT 0,
  CONSTRAINT type_totals_of PRIMARY KEY (partition, event_type),
  CONSTRAINT total_invariant CHECK (pruned BETWEEN 0 AND stored)
) WITH (fillfactor = 50);

-- Types that are counted by name. Once as many are in here as may be, any other counts under (other); those are not
-- recorded, since there is no end to how many they can be.
CREATE TABLE event_types (
  name text COLLATE "C" NOT NULL,
  CONSTRAINT event_types_name PRIMARY KEY (name)
);

CREATE TABLE jobs (
  id text COLLATE "C" NOT NULL,
  kind text NOT NULL,
  state text NOT NULL,
  total integer NOT NULL,
  done integer NOT NULL,
  failed integer NOT NULL,
  message text,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  CONSTRAINT jobs_id PRIMARY KEY (id)
);
