import { closable, refuseBatches } from '../closable.ts';
import type { EventReader, EventStore, EventWriter } from '../event-store.ts';
import { createClaim } from './claim.ts';
import { createCommit } from './commit.ts';
import { createDatabase, type Database } from './database.ts';
import { createEventReads } from './events.ts';
import { createInboxReads, createInboxWriter } from './inbox.ts';
import { createJobReads, createRedriveJobs } from './jobs.ts';
import { createMaintain } from './maintenance.ts';
import { readPartitionMetrics } from './metrics.ts';
import { inspectServer } from './migrations.ts';
import { readLedger, readProgress, writeThrough } from './progress.ts';
import { createInboxPublication } from './publication.ts';
import { type PostgresTimeouts, postgresSettings } from './settings.ts';
import { readServerAddress } from './url.ts';
import { verifyStore } from './verify.ts';

export interface PostgresEventStoreOptions {
  /** `postgres://user:password@host:port/database`; event-store/postgres/url.ts tells what it may say about TLS. */
  readonly url: string;
  /** `owner`: a worker's handle, which writes batches. `client`: an API's, for reads and short writes. */
  readonly role: 'owner' | 'client';
  /** Event types that are counted by name; more count under `(other)`. The same for every worker of a store. */
  readonly eventTypesMax: number;
  /** Connections that an owner writes batches on, beside those that are shared by everything else. */
  readonly connections?: number;
  readonly timeouts?: PostgresTimeouts;
  readonly now?: () => number;
}

/**
 * The EventStore on PostgreSQL 14 and newer. Any number of processes may have handles on one store. It works behind a
 * proxy that pools by transaction: nothing is set or locked for longer than a transaction, and behind a proxy nothing
 * is prepared.
 *
 * @throws StartupError where the server refuses it, or its schema is not the one this program knows; UnavailableError
 */
export async function createPostgresEventStore(options: PostgresEventStoreOptions): Promise<EventStore> {
  const { url, role, eventTypesMax, connections = postgresSettings.writerConnections, now = Date.now } = options;
  const timeouts = { ...postgresSettings, ...options.timeouts };
  const address = readServerAddress(url);
  const { checksConnections } = await inspectServer(address, timeouts);
  const database = createDatabase({
    address,
    writers: role === 'owner' ? connections : 0,
    timeouts,
    checksConnections,
  });
  const writer =
    role === 'owner'
      ? createWriter(database, { eventTypesMax, now, silentMs: timeouts.idleInTransactionMs })
      : refuseBatches;
  const port = {
    ...createReader(database),
    ...writer,
    ...createInboxWriter(database),
    ...createRedriveJobs(database),
    ...createInboxPublication(database),
  };
  return closable(port, () => database.close());
}

function createReader(database: Database): EventReader {
  return {
    ...createEventReads(database),
    ...createInboxReads(database),
    ...createJobReads(database),
    progress: (consumer) => database.read((connection) => readProgress(connection, consumer)),
    ledger: (consumer) => database.read((connection) => readLedger(connection, consumer)),
    partitionMetrics: (consumer, partition, at) =>
      database.read((connection) => readPartitionMetrics(connection, consumer, partition, at)),
    verify: (consumer) => database.readLong((connection) => verifyStore(connection, consumer)),
  };
}

interface WriterOptions {
  readonly eventTypesMax: number;
  readonly now: () => number;
  readonly silentMs: number;
}

function createWriter(database: Database, { eventTypesMax, now, silentMs }: WriterOptions): EventWriter {
  return {
    claim: createClaim(database, { now, silentMs }),
    commit: createCommit(database, eventTypesMax),
    maintain: createMaintain(database),
    probe: () => database.write(writeThrough),
    durableProgress: (consumer) =>
      database.write(async (connection) => {
        const progress = await readProgress(connection, consumer);
        await writeThrough(connection);
        return progress;
      }),
  };
}
