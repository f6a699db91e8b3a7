import { storeConsumer } from '../domain/inbox.ts';
import { createSegmentEventLog } from '../event-log/event-log.segment.ts';
import { createSqliteEventStore } from '../event-store/event-store.sqlite.ts';
import type { Discrepancy } from '../event-store/event-store.ts';
import { findReplacement } from '../processing/claim-partition.ts';
import { type Ledger, readLedger } from '../processing/ledger.ts';
import type { Config } from './config.ts';
import { acquireDirectoryLock } from './directory-lock.ts';
import { dataFiles } from './start.ts';

interface Parts {
  readonly log: Awaited<ReturnType<typeof createSegmentEventLog>>;
  readonly store: Awaited<ReturnType<typeof createSqliteEventStore>>;
}

/**
 * What the command line does when no server runs: it takes the directory's lock, opens the files, and closes them again.
 *
 * @throws StartupError when a server holds the directory
 */
async function withParts<T>(config: Config, work: (parts: Parts) => Promise<T>): Promise<T> {
  const lock = await acquireDirectoryLock(config.dataDir);
  try {
    const files = dataFiles(config.dataDir);
    const log = await createSegmentEventLog({ directory: files.log, partitions: config.partitions });
    try {
      const store = await createSqliteEventStore({
        path: files.store,
        role: 'owner',
        eventTypesMax: config.eventTypesMax,
      });
      try {
        return await work({ log, store });
      } finally {
        await store.close();
      }
    } finally {
      await log.close();
    }
  } finally {
    await lock.release();
  }
}

export function verifyOffline(config: Config): Promise<readonly Discrepancy[]> {
  return withParts(config, ({ store }) => store.verify(storeConsumer));
}

export interface Inspection {
  readonly ledger: Ledger;
  /** Why the log is not the one that was processed; a sentence for each partition that would halt. */
  readonly replacements: readonly string[];
}

export function inspectOffline(config: Config): Promise<Inspection> {
  return withParts(config, async (parts) => ({
    ledger: await readLedger(parts.store, parts.log, Date.now()),
    replacements: await findReplacements(parts),
  }));
}

async function findReplacements({ log, store }: Parts): Promise<string[]> {
  const progress = await store.progress(storeConsumer);
  if (progress.length === 0) {
    const { logId: adopted } = await store.ledger(storeConsumer);
    const { logId } = await log.describe();
    const isOther = adopted !== null && adopted !== logId;
    return isOther ? [`The log ${adopted} was adopted, but this is the log ${logId}.`] : [];
  }
  const found = await Promise.all(progress.map((row) => findReplacement(log, row)));
  return found.filter((message) => message !== null);
}

/**
 * Makes the log that lies in the directory the current one: every partition starts anew at the log's start, under the next
 * log_no. Events that were stored before count as duplicates when they are read again.
 * @returns the new log_no, or null where the log is the one that was processed, so that there is nothing to adopt
 */
export function adoptLog(config: Config): Promise<number | null> {
  return withParts(config, async (parts) => {
    if ((await findReplacements(parts)).length === 0) return null;
    const { logId } = await parts.log.describe();
    return parts.store.adoptLog(logId, Date.now());
  });
}
