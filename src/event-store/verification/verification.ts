import type { Discrepancy, PartitionProgress, TypeTotals } from '../event-store.ts';
import { createPositions } from './positions.ts';

/** Differences that one verification tells; more of them would say nothing new. */
const discrepanciesMax = 100;

export interface Findings {
  add(code: string, message: string): void;
  readonly list: readonly Discrepancy[];
}

export function createFindings(): Findings {
  const list: Discrepancy[] = [];
  return {
    list,
    add(code, message) {
      if (list.length < discrepanciesMax) list.push({ code, message });
    },
  };
}

/** What verification needs of a row of `events` or `inbox`. */
export interface PositionedRow {
  readonly logNo: number;
  readonly partition: number;
  readonly offset: number;
  readonly countedAs: string;
}

export interface RollupCountRow extends TypeTotals {
  readonly stepMs: number;
  readonly at: number;
}

export interface PrunedInbox extends Omit<PositionedRow, 'offset'> {
  readonly rows: number;
}

interface Tally {
  stored: number;
  duplicate: number;
  failed: number;
  pruned: number;
}

/**
 * Compares what progress, totals and rollups say with the rows themselves. A store feeds it everything of one snapshot,
 * in any order, then asks it to `finish`. What lies where in time is coverage.ts's to compare.
 */
export function createVerification(progress: readonly PartitionProgress[], findings: Findings) {
  const seen = createPositions();
  const eventRows = new Map<string, number>();
  const eventRowsByType = new Map<string, number>();
  const inboxRows = new Map<string, number>();
  const inboxRowsByType = new Map<string, number>();
  const rollups = new Map<string, Tally>();
  const totals = new Map<string, Tally>();
  const byPosition = new Map(progress.map((row) => [logKey(row), row]));

  function place(what: string, row: PositionedRow): void {
    const of = byPosition.get(logKey(row));
    const where = `${what} at log ${row.logNo}, partition ${row.partition}, offset ${row.offset}`;
    if (of === undefined) findings.add('no_progress', `There is a ${where}, and no progress of that partition.`);
    else if (row.offset < of.base || row.offset >= of.nextOffset) {
      findings.add(
        'out_of_range',
        `There is a ${where}, outside of what was processed (${of.base} to ${of.nextOffset}).`,
      );
    }
    if (!seen.add(row)) findings.add('position_twice', `There is a ${where}, and another row of the same position.`);
  }

  function compareProgress(row: PartitionProgress): void {
    const { stored, duplicate, failed, lost, skipped } = row.outcomes;
    const where = `Log ${row.logNo}, partition ${row.partition}`;
    const settled = stored + duplicate + failed + lost + skipped;
    if (row.nextOffset - row.base !== settled) {
      findings.add(
        'unbalanced',
        `${where}: ${row.nextOffset - row.base} offsets were processed, and ${settled} have an outcome.`,
      );
    }
    compare(
      'rows_differ',
      `${where}: rows stored and not pruned`,
      stored - row.pruned,
      eventRows.get(logKey(row)) ?? 0,
    );
    compare('inbox_differs', `${where}: rows in the inbox or pruned from it`, failed, inboxRows.get(logKey(row)) ?? 0);
  }

  function compareTypes(): void {
    const keys = new Set([...totals.keys(), ...rollups.keys(), ...eventRowsByType.keys(), ...inboxRowsByType.keys()]);
    for (const key of keys) {
      const total = totals.get(key) ?? noTally;
      const rollup = rollups.get(key) ?? noTally;
      const where = `Partition ${key.replace(':', ', type ')}`;
      for (const name of tallied) {
        if (total[name] === rollup[name]) continue;
        findings.add(
          'rollups_differ',
          `${where}: the total counts ${total[name]} ${name}, the rollups ${rollup[name]}.`,
        );
      }
      compare(
        'total_differs',
        `${where}: rows stored and not pruned`,
        total.stored - total.pruned,
        eventRowsByType.get(key) ?? 0,
      );
      compare(
        'total_differs',
        `${where}: rows in the inbox or pruned from it`,
        total.failed,
        inboxRowsByType.get(key) ?? 0,
      );
    }
  }

  function comparePartitions(): void {
    for (const [partition, rows] of Map.groupBy(progress, (row) => row.partition)) {
      const ofTypes = [...totals].filter(([key]) => key.startsWith(`${partition}:`)).map(([, tally]) => tally);
      for (const name of tallied) {
        const ofProgress = rows.reduce((sum, row) => sum + (name === 'pruned' ? row.pruned : row.outcomes[name]), 0);
        const ofTotals = ofTypes.reduce((sum, tally) => sum + tally[name], 0);
        if (ofProgress === ofTotals) continue;
        findings.add(
          'total_differs',
          `Partition ${partition}: progress counts ${ofProgress} ${name}, the totals ${ofTotals}.`,
        );
      }
    }
  }

  function compare(code: string, what: string, counted: number, found: number): void {
    if (counted !== found) findings.add(code, `${what}: ${counted} by count, ${found} in the table.`);
  }

  return {
    event(row: PositionedRow): void {
      place('stored event', row);
      increment(eventRows, logKey(row));
      increment(eventRowsByType, typeKey(row.partition, row.countedAs));
    },
    inboxEntry(row: PositionedRow): void {
      place('inbox row', row);
      increment(inboxRows, logKey(row));
      increment(inboxRowsByType, typeKey(row.partition, row.countedAs));
    },
    /** Inbox rows that retention has removed. */
    inboxPruned(row: PrunedInbox): void {
      increment(inboxRows, logKey(row), row.rows);
      increment(inboxRowsByType, typeKey(row.partition, row.countedAs), row.rows);
    },
    rollup(partition: number, row: RollupCountRow): void {
      addTally(rollups, typeKey(partition, row.eventType), row);
    },
    total(partition: number, row: TypeTotals): void {
      addTally(totals, typeKey(partition, row.eventType), row);
    },
    finish(): void {
      for (const row of progress) compareProgress(row);
      compareTypes();
      comparePartitions();
    },
  };
}

const tallied = ['stored', 'duplicate', 'failed', 'pruned'] as const;
const noTally: Readonly<Tally> = { stored: 0, duplicate: 0, failed: 0, pruned: 0 };

function addTally(tallies: Map<string, Tally>, key: string, row: Readonly<Tally>): void {
  const tally = tallies.get(key) ?? { ...noTally };
  for (const name of tallied) tally[name] += row[name];
  tallies.set(key, tally);
}

const logKey = ({ logNo, partition }: { logNo: number; partition: number }) => `${logNo}:${partition}`;
const typeKey = (partition: number, eventType: string) => `${partition}:${eventType}`;

function increment(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
