-- The embedded store. Times are milliseconds since the epoch; ids of events are their 16 bytes.
-- Checks named *_invariant guard the ledger: one that fails is a fault of the program, never of a record.

CREATE TABLE logs (
  log_no INTEGER PRIMARY KEY,
  log_id TEXT NOT NULL,
  adopted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE progress (
  consumer TEXT NOT NULL,
  log_no INTEGER NOT NULL REFERENCES logs (log_no),
  partition INTEGER NOT NULL,
  log_id TEXT NOT NULL,
  base INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  last_offset INTEGER,
  last_hash BLOB,
  owner_epoch INTEGER NOT NULL,
  commit_token TEXT NOT NULL,
  stored INTEGER NOT NULL DEFAULT 0,
  duplicate INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  lost INTEGER NOT NULL DEFAULT 0,
  skipped INTEGER NOT NULL DEFAULT 0,
  pruned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (consumer, log_no, partition),
  CONSTRAINT ledger_invariant CHECK (next_offset - base = stored + duplicate + failed + lost + skipped),
  CONSTRAINT pruned_invariant CHECK (pruned BETWEEN 0 AND stored)
) STRICT, WITHOUT ROWID;

-- row_no grows in the order of storing; it makes received_at a whole order for cursors. The payload stands last, so that
-- reading the other columns of a large row does not touch its overflow pages.
CREATE TABLE events (
  row_no INTEGER PRIMARY KEY,
  id BLOB NOT NULL CHECK (length(id) = 16),
  log_no INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  log_offset INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  stored_at INTEGER NOT NULL,
  -- 1: counted under (other); pruning must find the rollup row that counted it.
  counted_as_other INTEGER NOT NULL,
  event_type TEXT NOT NULL,
  client_id TEXT,
  source TEXT,
  key TEXT,
  occurred_at TEXT,
  redrive_of TEXT,
  content_hash BLOB NOT NULL,
  payload TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_id ON events (id);
-- Each of these ends in row_no, as every index of SQLite does.
CREATE INDEX events_received ON events (received_at);
CREATE INDEX events_type_received ON events (event_type, received_at);
CREATE INDEX events_partition_received ON events (partition, received_at);

CREATE TABLE duplicates (
  event_id BLOB NOT NULL CHECK (length(event_id) = 16),
  log_no INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  log_offset INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (event_id, log_no, partition, log_offset)
) STRICT, WITHOUT ROWID;

CREATE TABLE inbox (
  id TEXT NOT NULL PRIMARY KEY,
  consumer TEXT NOT NULL,
  log_no INTEGER NOT NULL,
  partition INTEGER NOT NULL,
  log_offset INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'redriving', 'resolved', 'discarded')),
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  event_id TEXT,
  event_type TEXT,
  key TEXT,
  received_at INTEGER NOT NULL,
  failed_at INTEGER NOT NULL,
  counted_as TEXT NOT NULL,
  job_id TEXT,
  -- JSON of how the row was settled.
  resolution TEXT,
  settled_at INTEGER,
  value BLOB NOT NULL
) STRICT;

CREATE INDEX inbox_unsettled ON inbox (consumer) WHERE state IN ('open', 'redriving');
CREATE INDEX inbox_failed ON inbox (failed_at, id);
CREATE INDEX inbox_state ON inbox (state, failed_at, id);
CREATE INDEX inbox_type ON inbox (event_type, failed_at, id);
CREATE INDEX inbox_code ON inbox (code, failed_at, id);
CREATE INDEX inbox_event ON inbox (event_id, failed_at, id) WHERE event_id IS NOT NULL;

-- Every event counts in exactly one row; folding moves it from 10 s to a minute to an hour.
CREATE TABLE rollup_counts (
  partition INTEGER NOT NULL,
  step_ms INTEGER NOT NULL,
  at INTEGER NOT NULL,
  event_type TEXT NOT NULL,
  stored INTEGER NOT NULL,
  duplicate INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  pruned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (partition, step_ms, at, event_type),
  CONSTRAINT rollup_invariant CHECK (pruned BETWEEN 0 AND stored)
) STRICT, WITHOUT ROWID;

-- histogram: JSON array of [bucket, count].
CREATE TABLE rollup_latency (
  partition INTEGER NOT NULL,
  step_ms INTEGER NOT NULL,
  at INTEGER NOT NULL,
  histogram TEXT NOT NULL,
  clock_skewed INTEGER NOT NULL,
  PRIMARY KEY (partition, step_ms, at)
) STRICT, WITHOUT ROWID;

CREATE TABLE type_totals (
  partition INTEGER NOT NULL,
  event_type TEXT NOT NULL,
  stored INTEGER NOT NULL,
  duplicate INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  pruned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (partition, event_type),
  CONSTRAINT total_invariant CHECK (pruned BETWEEN 0 AND stored)
) STRICT, WITHOUT ROWID;

-- Types that are counted by name. Once as many are in here as may be, any other counts under (other); those are not
-- recorded, since there is no end to how many they can be.
CREATE TABLE event_types (
  name TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  total INTEGER NOT NULL,
  done INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  message TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
