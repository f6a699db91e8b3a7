import { Badge } from '../../components/badge.tsx';
import { Panel } from '../../components/panel.tsx';
import { Loading } from '../../components/states.tsx';
import { useTitle } from '../../components/use-title.ts';
import { formatCount, plural } from '../../format/numbers.ts';
import { useLive } from '../../live/live-provider.tsx';
import { AsOf } from '../../shell/as-of.tsx';
import { FirstRun } from '../first-run.tsx';
import { Lag } from './lag.tsx';
import './ledger.css';
import { HaltedPartitions } from './halted-partitions.tsx';
import { ledgerTerms } from './ledger-terms.ts';
import { PartitionTable } from './partition-table.tsx';

export function LedgerScreen() {
  useTitle('Ledger');
  const snapshot = useLive('snapshot');
  const ledger = snapshot?.ledger;
  if (ledger?.appended === 0) return <FirstRun />;
  return (
    <>
      <div className="page-head">
        <div className="page-title">
          <h1>Ledger</h1>
          <AsOf />
        </div>
      </div>
      {!ledger && (
        <div className="panel">
          <Loading rows={10} what="the ledger" />
        </div>
      )}
      {ledger && (
        <>
          <section className="panel ledger-part" aria-label="Sum">
            <div className="ledger-verdict">
              <Badge tone={ledger.balanced ? 'good' : 'bad'}>
                {ledger.balanced ? 'Every record is accounted for' : 'The sums do not agree'}
              </Badge>
              <p className="soft">
                {ledger.balanced
                  ? 'Each record that was appended to the log is exactly one of these, from one snapshot of the store.'
                  : 'At least one partition below has taken more or fewer records than it has outcomes. Run esp verify to see where.'}
              </p>
              <Lag inFlight={ledger.in_flight} lagSeconds={snapshot.metrics?.lag_seconds ?? null} />
            </div>
            <dl className="ledger-terms">
              <div>
                <dt>Appended</dt>
                <dd className="ledger-number">{formatCount(ledger.appended)}</dd>
                <dd className="ledger-explained">Records that the log has acknowledged</dd>
              </div>
              {ledgerTerms.map(({ key, name, explained, isBad }, index) => (
                <div key={key} data-sign={index === 0 ? '=' : '+'}>
                  <dt>{name}</dt>
                  <dd className={`ledger-number ${isBad && ledger[key] > 0 ? 'term-bad' : ''}`}>
                    {formatCount(ledger[key])}
                  </dd>
                  <dd className="ledger-explained">{explained}</dd>
                </div>
              ))}
            </dl>
          </section>
          <Panel
            title="Partitions"
            className="ledger-part"
            note={`${plural(ledger.partitions.length, 'partition')}, ${formatCount(ledger.pruned)} rows pruned by retention`}
          >
            <HaltedPartitions partitions={ledger.partitions} />
            <PartitionTable partitions={ledger.partitions} />
          </Panel>
        </>
      )}
    </>
  );
}
