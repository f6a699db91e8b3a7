import type { LedgerView } from '../../../../src/http/contract.ts';
import { Badge } from '../../components/badge.tsx';
import '../../components/table.css';
import { formatCount, noNumber } from '../../format/numbers.ts';
import { ledgerTerms } from './ledger-terms.ts';

type Partition = LedgerView['partitions'][number];

export function PartitionTable({ partitions }: { readonly partitions: readonly Partition[] }) {
  const hasOldLogs = new Set(partitions.map((partition) => partition.log_no)).size > 1;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
    <section className="table-region" aria-label="Ledger by partition" tabIndex={0}>
      <table className="table ledger-table">
        <caption className="visually-hidden">Ledger by partition</caption>
        <thead>
          <tr>
            <th scope="col">Partition</th>
            <th scope="col">State</th>
            {hasOldLogs && <th scope="col">Log</th>}
            <th scope="col" className="number">
              Appended
            </th>
            {ledgerTerms.map(({ key, name, explained }) => (
              <th key={key} scope="col" className="number" title={explained}>
                {name}
              </th>
            ))}
            <th scope="col" className="number" title="Rows that retention has removed since">
              pruned
            </th>
            <th scope="col" className="number" title="First offset taken, and the next to take">
              Offsets taken
            </th>
            <th scope="col" className="number">
              Log end
            </th>
          </tr>
        </thead>
        <tbody>
          {partitions.map((partition) => (
            <tr key={`${partition.log_no} ${partition.partition}`}>
              <th scope="row">{partition.partition}</th>
              <td>
                <PartitionState partition={partition} />
              </td>
              {hasOldLogs && <td>{partition.log_no}</td>}
              <td className="number">{formatCount(partition.appended)}</td>
              {ledgerTerms.map(({ key, isBad }) => (
                <td key={key} className={`number ${tone(partition[key], isBad)}`}>
                  {formatCount(partition[key])}
                </td>
              ))}
              <td className={`number ${tone(partition.pruned, false)}`}>{formatCount(partition.pruned)}</td>
              <td className="number soft">
                {formatCount(partition.base)} to {formatCount(partition.next_offset)}
              </td>
              <td className="number soft">{partition.log_end === null ? noNumber : formatCount(partition.log_end)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function tone(count: number, isBad: boolean): string {
  if (count === 0) return 'faint';
  return isBad ? 'term-bad' : '';
}

function PartitionState({ partition }: { readonly partition: Partition }) {
  if (!partition.balanced) return <Badge tone="bad">Unbalanced</Badge>;
  if (partition.halted !== null) return <Badge tone="bad">Halted</Badge>;
  return <Badge tone="good">Balanced</Badge>;
}
