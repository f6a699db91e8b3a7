import type { LedgerView } from '../../../../src/http/contract.ts';

/** Why they stand still: sentences, which would tear the table's rows apart. */
export function HaltedPartitions({ partitions }: { readonly partitions: LedgerView['partitions'] }) {
  const halted = partitions.filter((partition) => partition.halted !== null);
  if (halted.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <ul className="ledger-halted" aria-label="Halted partitions" tabIndex={0}>
      {halted.map(({ log_no: logNo, partition, halted: why }) => (
        <li key={`${logNo} ${partition}`}>
          <b>Partition {partition} is halted.</b> {why}
        </li>
      ))}
    </ul>
  );
}
