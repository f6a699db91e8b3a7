import type { CommitRequest, WriteSet } from './batch.ts';

/**
 * Every record has exactly one outcome, and rows, rollups and outcomes tell the same counts. A write set that doesn't
 * is a fault of the program: it must not reach the store, where the ledger could never balance again.
 */
export function assertBalanced({ expectedOffset, nextOffset }: CommitRequest, write: WriteSet): void {
  const { stored, duplicate, failed, lost, skipped } = write.outcomes;
  const sum = (pick: (row: WriteSet['rollups']['counts'][number]) => number) =>
    write.rollups.counts.reduce((total, row) => total + pick(row), 0);
  const agree =
    nextOffset - expectedOffset === stored + duplicate + failed + lost + skipped &&
    stored === write.events.length &&
    duplicate === write.duplicates.length &&
    failed === write.failed.length &&
    stored === sum((row) => row.stored) &&
    duplicate === sum((row) => row.duplicate) &&
    failed === sum((row) => row.failed);
  if (agree) return;
  const rows = `${write.events.length} rows, ${write.duplicates.length} duplicates, ${write.failed.length} inbox rows`;
  throw new Error(
    `A batch does not add up: offsets ${expectedOffset} to ${nextOffset}, outcomes ${JSON.stringify(write.outcomes)}, ${rows}.`,
  );
}
