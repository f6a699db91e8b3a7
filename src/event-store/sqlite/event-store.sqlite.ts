import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { UnavailableError } from '../../domain/failure.ts';
import { closable, refuseBatches } from '../closable.ts';
import type { EventReader, EventStore, EventWriter } from '../event-store.ts';
import { migrate, readMigrations } from '../migrations.ts';
import { createClaim } from './claim.ts';
import { createCommits } from './commit.ts';
import {
  type Attempt,
  inTransaction,
  openConnection,
  retryWhileBusy,
  type SqliteRole,
  sqliteSettings,
} from './connection.ts';
import { createEventReads } from './events.ts';
import { createGroupCommit } from './group.ts';
import { createInboxReads, createInboxWriter } from './inbox.ts';
import { createJobReads, createRedriveJobs } from './jobs.ts';
import { createMaintain } from './maintenance.ts';
import { createMetricsRead } from './metrics.ts';
import { assertMigrated, createSqliteMigrationTarget } from './migrations.ts';
import { createProgressReads, flushWriteAheadLog } from './progress.ts';
import { createInboxPublication } from './publication.ts';
import { verifyStore } from './verify.ts';

export interface SqliteEventStoreOptions {
  /** The file; beside it SQLite keeps `-wal` and `-shm`. */
  readonly path: string;
  readonly role: SqliteRole;
  /** Event types that are counted by name; more count under `(other)`. */
  readonly eventTypesMax: number;
  /** How long a client's call tries again while the owner writes. Milliseconds. */
  readonly busyMs?: number;
  /** How large the WAL may grow under a long read before batches wait. */
  readonly walBytesMax?: number;
  readonly now?: () => number;
}

/**
 * The embedded EventStore: one SQLite file, in WAL mode, with one handle that writes batches and any number for the
 * rest.
 *
 * @throws StartupError where the file can't be used, or (as a client) lacks migrations; UnavailableError
 */
export async function createSqliteEventStore(options: SqliteEventStoreOptions): Promise<EventStore> {
  const { path, role, now = Date.now } = options;
  const busyMs = options.busyMs ?? sqliteSettings.clientBusyMs;
  const db = await retryWhileBusy(() => openConnection(path, role), busyMs);
  try {
    if (role === 'owner') await migrate(createSqliteMigrationTarget(db, now), readMigrations('sqlite'));
    else await retryWhileBusy(() => assertMigrated(db, path), busyMs);
  } catch (error) {
    db.close();
    throw error;
  }

  const patient: Attempt = (work) => retryWhileBusy(work, busyMs);
  // The worker has its own way of waiting, with everything else that it must stop meanwhile.
  const attempt: Attempt = role === 'owner' ? (work) => retryWhileBusy(work, 0) : patient;
  const port = {
    ...createReader(db, path, attempt, patient),
    ...(role === 'owner' ? createWriter(db, options, now, attempt) : refuseBatches),
    ...createInboxWriter(db, patient),
    ...createRedriveJobs(db, patient),
    ...createInboxPublication(db, patient),
  };
  return closable(port, async () => db.close());
}

function createReader(db: DatabaseSync, path: string, attempt: Attempt, patient: Attempt): EventReader {
  const { progress, ledger } = createProgressReads(db);
  const readMetrics = createMetricsRead(db);
  return {
    ...createEventReads(db, attempt),
    ...createInboxReads(db, attempt),
    ...createJobReads(db, attempt),
    progress: (consumer) => attempt(() => progress(consumer)),
    ledger: (consumer) => attempt(() => ledger(consumer)),
    partitionMetrics: (consumer, partition, at) => attempt(() => readMetrics(consumer, partition, at)),
    verify: (consumer) => verifyStore(path, consumer, patient),
  };
}

function createWriter(
  db: DatabaseSync,
  { path, eventTypesMax, walBytesMax = sqliteSettings.walBytesMax }: SqliteEventStoreOptions,
  now: () => number,
  attempt: Attempt,
): EventWriter {
  const claim = createClaim(db, now);
  const commit = createGroupCommit(createCommits(db, eventTypesMax), () => assertWalBounded(db, path, walBytesMax));
  const maintain = createMaintain(db);
  const { progress } = createProgressReads(db);
  return {
    claim: (request) => attempt(() => claim(request)),
    commit: (request, decide) => commit({ request, decide }),
    maintain: (request) => attempt(() => maintain(request)),
    probe: () => attempt(() => probe(db)),
    async durableProgress(consumer) {
      const read = await attempt(() => progress(consumer));
      await flushWriteAheadLog(path);
      return read;
    },
  };
}

/** Committed, since what is rolled back never leaves SQLite's cache and would tell nothing of the disk. */
function probe(db: DatabaseSync): void {
  inTransaction(db, () => {
    db.exec(`INSERT INTO jobs (id, kind, state, total, done, failed, created_at, updated_at)
      VALUES ('probe', 'probe', 'probe', 0, 0, 0, 0, 0)`);
    db.exec("DELETE FROM jobs WHERE id = 'probe'");
  });
}

/** Somebody's long read keeps the WAL growing: at some point batches must wait for it instead of filling the disk. */
function assertWalBounded(db: DatabaseSync, path: string, bytesMax: number): void {
  const walBytes = () => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (walBytes() <= bytesMax) return;
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  if (walBytes() <= bytesMax) return;
  throw new UnavailableError(
    'store_busy',
    `${path}-wal has grown to its limit, because some process has been reading the store for long: end that read.`,
  );
}
