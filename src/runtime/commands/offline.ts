import { existsSync } from 'node:fs';
import { DamagedError, StartupError } from '../../domain/failure.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import type { EventLog } from '../../event-log/event-log.ts';
import type { Discrepancy, PartitionProgress } from '../../event-store/event-store.ts';
import { findReplacements } from '../../processing/claim-partition.ts';
import { type Ledger, readLedger } from '../../processing/ledger.ts';
import { pause } from '../../processing/pause.ts';
import { compareMetrics } from '../../processing/verify-metrics.ts';
import type { CommandParts } from '../compose/command-parts.ts';
import { createReferenceMetrics, openCommandParts } from '../compose/compose.ts';
import { type Config, dataFiles } from '../config/config.ts';

/** What commands do with the parts themselves: embedded, where no server runs. */

/** Whether anything is stored in the data directory yet. */
export function hasData({ dataDir }: Config): boolean {
  return existsSync(dataFiles(dataDir).store);
}

/** @throws StartupError where there is nothing to work with: another directory may be meant */
export async function withParts<T>(config: Config, work: (parts: CommandParts) => Promise<T>): Promise<T> {
  if (config.production === null && !hasData(config)) {
    throw new StartupError(`There is no data in ${config.dataDir}: ESP_DATA_DIR says where it is.`);
  }
  const parts = await openCommandParts(config);
  try {
    return await work(parts);
  } finally {
    await parts.close();
  }
}

/** @throws StartupError where a server holds the data directory; UnavailableError */
export function verifyOffline(config: Config): Promise<readonly Discrepancy[]> {
  return withParts(config, async (parts) => {
    const store = await parts.store();
    const found = await store.verify(storeConsumer);
    const metrics = await parts.metrics();
    if (metrics === null) return found;
    const createReference = await createReferenceMetrics(Date.now);
    return [...found, ...(await compareMetrics({ store, metrics, createReference, now: Date.now, pause }))];
  });
}

export interface Inspection {
  readonly ledger: Ledger;
  /** Why the log is not the one that was processed; a sentence for each partition that would halt. */
  readonly replacements: readonly string[];
  /** Why partitions would halt at the next record; a sentence for each. */
  readonly damages: readonly string[];
}

/** @throws StartupError, UnavailableError */
export function inspectOffline(config: Config): Promise<Inspection> {
  return withParts(config, async (parts) => {
    const [log, store] = [await parts.log(), await parts.store()];
    const replacements = await findReplacements(log, store, storeConsumer);
    const canHalt = parts.giveUp !== null && replacements.length === 0;
    return {
      ledger: await readLedger(store, log, Date.now()),
      replacements,
      damages: canHalt ? await findDamageAhead(log, await store.progress(storeConsumer)) : [],
    };
  });
}

/** Of the next records only: to read all that there are is `esp give-up`'s affair. */
async function findDamageAhead(log: EventLog, progress: readonly PartitionProgress[]): Promise<readonly string[]> {
  const { partitions } = await log.describe();
  const next = new Map(progress.map((row) => [row.partition, row.nextOffset]));
  const damages: string[] = [];
  for (const { partition, start, end } of partitions) {
    const from = Math.max(start, next.get(partition) ?? start);
    if (from >= end) continue;
    try {
      await log.examineGap(partition, from, from + 1);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      damages.push(error.message);
    }
  }
  return damages;
}

/**
 * Makes the log that is there the current one: every partition starts anew at the log's start, under the next log_no.
 * Events that were stored before count as duplicates when they are read again.
 *
 * @returns the new log_no, or null where the log is the one that was processed, so that there is nothing to adopt
 */
export function adoptLog(config: Config): Promise<number | null> {
  return withParts(config, async (parts) => {
    const [log, store] = [await parts.log(), await parts.store()];
    if ((await findReplacements(log, store, storeConsumer)).length === 0) return null;
    const { logId } = await log.describe();
    return store.adoptLog(logId, Date.now());
  });
}
