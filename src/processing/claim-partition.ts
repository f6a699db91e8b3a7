import { DamagedError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { LogDescription, LogReader } from '../event-log/event-log.ts';
import type { EventReader, EventWriter, PartitionProgress } from '../event-store/event-store.ts';
import { hashRecord } from './build-batch.ts';
import { recordOrDamage } from './damage.ts';

export type ClaimOutcome =
  | { readonly kind: 'claimed'; readonly progress: PartitionProgress; readonly logStart: number }
  | { readonly kind: 'log_replaced'; readonly progress: PartitionProgress; readonly message: string };

/**
 * Takes a partition over and makes sure that its log is the one that progress was made on. Claiming comes first: from
 * then on the former owner can't commit, so what is checked afterwards stays true.
 *
 * @param described the log as it was a moment ago: asked for once, for all partitions that are claimed
 * @throws UnavailableError
 */
export async function claimPartition(
  store: Pick<EventWriter, 'claim'>,
  log: Pick<LogReader, 'describe' | 'recordAt'>,
  consumer: string,
  partition: number,
  described: LogDescription,
): Promise<ClaimOutcome> {
  const logStart = startOf(described, partition);
  const progress = await store.claim({ consumer, partition, logId: described.logId, logStart });
  let message = await findReplacement(log, progress, described);
  // The former owner may have gone further than the log did when it was described: judged by what is there now.
  if (message !== null) message = await findReplacement(log, progress, await log.describe());
  return message === null ? { kind: 'claimed', progress, logStart } : { kind: 'log_replaced', progress, message };
}

/** @returns what is wrong with the log, or null. */
async function findReplacement(
  log: Pick<LogReader, 'describe' | 'recordAt'>,
  progress: PartitionProgress,
  { logId, partitions }: LogDescription,
): Promise<string | null> {
  const { partition, nextOffset, last } = progress;
  if (logId !== progress.logId) {
    return `Partition ${partition} was processed from the log ${progress.logId}, but this is the log ${logId}.`;
  }
  const bounds = partitions.find((candidate) => candidate.partition === partition);
  if (bounds === undefined)
    return `The log has no partition ${partition}, though it was processed up to ${nextOffset}.`;
  if (bounds.end < nextOffset) {
    return `Partition ${partition} was processed up to offset ${nextOffset}, but the log ends at ${bounds.end}: it lost acknowledged records.`;
  }
  if (last === null) return null;
  const record = await recordOrDamage(log, partition, last.offset);
  // It is stored, and its damage hinders nobody: the log's name and its end have to do.
  if (record instanceof DamagedError) return null;
  // Trimmed, perhaps only now: nothing left to compare.
  if (record === null && startOf(await log.describe(), partition) > last.offset) return null;
  if (record === null || Buffer.compare(hashRecord(record.value), last.hash) !== 0) {
    return `Partition ${partition}: the record at offset ${last.offset} is not the one that was processed. The log was put back to an older copy or written anew.`;
  }
  return null;
}

/**
 * The same for every partition that the store knows of the current log (or those of them that are named); where it
 * knows none, whether the log is the one that was adopted. Nothing is claimed for it.
 *
 * @throws UnavailableError
 */
export async function findReplacements(
  log: Pick<LogReader, 'describe' | 'recordAt'>,
  store: Pick<EventReader, 'progress' | 'ledger'>,
  consumer: string,
  partitions?: readonly number[],
): Promise<readonly string[]> {
  const rows = await store.progress(consumer);
  const progress = partitions === undefined ? rows : rows.filter(({ partition }) => partitions.includes(partition));
  if (progress.length === 0) {
    const { logId: adopted } = await store.ledger(consumer);
    const { logId } = await log.describe();
    const isOther = adopted !== null && adopted !== logId;
    return isOther ? [`The log ${adopted} was adopted, but this is the log ${logId}.`] : [];
  }
  // After progress was read: the log has all that was made progress on by then.
  const described = await log.describe();
  const found: (string | null)[] = [];
  for (let at = 0; at < progress.length; at += limits.recordsComparedAtOnceMax) {
    const some = progress.slice(at, at + limits.recordsComparedAtOnceMax);
    found.push(...(await Promise.all(some.map((row) => findReplacement(log, row, described)))));
  }
  return found.filter((message) => message !== null);
}

function startOf({ partitions }: LogDescription, partition: number): number {
  return partitions.find((bounds) => bounds.partition === partition)?.start ?? 0;
}
