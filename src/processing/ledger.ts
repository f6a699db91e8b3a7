import type { OutcomeCounts } from '../domain/event.ts';
import { storeConsumer } from '../domain/inbox.ts';
import type { LogReader } from '../event-log/event-log.ts';
import type { EventReader, PartitionProgress } from '../event-store/event-store.ts';

/** One partition's side of the ledger, in records. */
export interface LedgerEntry extends OutcomeCounts {
  readonly logNo: number;
  readonly partition: number;
  readonly base: number;
  readonly nextOffset: number;
  /** Null for a log that is no longer the current one, and while the log can't be reached. */
  readonly logEnd: number | null;
  readonly inFlight: number;
  readonly pruned: number;
  readonly balanced: boolean;
}

export interface Ledger extends OutcomeCounts {
  readonly appended: number;
  readonly inFlight: number;
  readonly pruned: number;
  readonly openInInbox: number;
  readonly balanced: boolean;
  /** Milliseconds since the epoch. */
  readonly asOf: number;
  readonly partitions: readonly LedgerEntry[];
}

const outcomeNames = ['stored', 'duplicate', 'failed', 'lost', 'skipped'] as const;

/** next_offset − base = stored + duplicate + failed + lost + skipped, and retention removed no more than was stored. */
export function isBalanced({ base, nextOffset, outcomes, pruned }: PartitionProgress): boolean {
  const settled = outcomeNames.reduce((sum, name) => sum + outcomes[name], 0);
  return nextOffset - base === settled && pruned <= outcomes.stored;
}

/**
 * The store's side comes from one snapshot; the log's ends are read after it, so in flight is never negative by a race.
 */
export async function readLedger(
  store: Pick<EventReader, 'ledger'>,
  log: Pick<LogReader, 'describe'>,
  now: number,
): Promise<Ledger> {
  const snapshot = await store.ledger(storeConsumer);
  const description = await log.describe();
  const bounds = new Map(description.partitions.map((bound) => [bound.partition, bound]));

  const partitions: LedgerEntry[] = snapshot.partitions.map((progress) => {
    const logEnd = progress.logNo === snapshot.logNo ? (bounds.get(progress.partition)?.end ?? null) : null;
    return {
      logNo: progress.logNo,
      partition: progress.partition,
      base: progress.base,
      nextOffset: progress.nextOffset,
      logEnd,
      inFlight: logEnd === null ? 0 : Math.max(0, logEnd - progress.nextOffset),
      pruned: progress.pruned,
      balanced: isBalanced(progress),
      ...progress.outcomes,
    };
  });
  // A partition that no worker has claimed yet has no row; what it holds is in flight all the same.
  const claimed = new Set(partitions.filter((entry) => entry.logEnd !== null).map((entry) => entry.partition));
  for (const { partition, start, end } of description.partitions) {
    if (claimed.has(partition)) continue;
    partitions.push({
      logNo: Math.max(1, snapshot.logNo),
      partition,
      base: start,
      nextOffset: start,
      logEnd: end,
      inFlight: end - start,
      pruned: 0,
      balanced: true,
      ...noOutcomes,
    });
  }

  const total = (pick: (entry: LedgerEntry) => number) => partitions.reduce((sum, entry) => sum + pick(entry), 0);
  return {
    appended: total((entry) => entry.nextOffset - entry.base + entry.inFlight),
    stored: total((entry) => entry.stored),
    duplicate: total((entry) => entry.duplicate),
    failed: total((entry) => entry.failed),
    lost: total((entry) => entry.lost),
    skipped: total((entry) => entry.skipped),
    inFlight: total((entry) => entry.inFlight),
    pruned: total((entry) => entry.pruned),
    openInInbox: snapshot.openInInbox,
    balanced: partitions.every((entry) => entry.balanced),
    asOf: now,
    partitions,
  };
}

export const noOutcomes: OutcomeCounts = { stored: 0, duplicate: 0, failed: 0, lost: 0, skipped: 0 };
