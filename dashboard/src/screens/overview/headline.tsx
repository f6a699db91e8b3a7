import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { LedgerView, MetricsView } from '../../../../src/http/contract.ts';
import { formatCount, formatRate, formatShare, splitLatency } from '../../format/numbers.ts';
import { paths, withQuery } from '../../routing/paths.ts';
import './headline.css';

interface HeadlineProps {
  readonly metrics: MetricsView;
  readonly ledger: LedgerView;
  readonly windowLabel: string;
}

const quantiles = ['p50', 'p95', 'p99'] as const;

export function Headline({ metrics, ledger, windowLabel }: HeadlineProps) {
  const { latency_ms: latency } = metrics;
  return (
    <dl className="headline">
      {/*
       * The ledger is the store's own, and up to a second old; metrics, which are made from it, are newer but for a partition that
       * stands still. What either knows to be stored is stored.
       */}
      <Stat
        label="Events, all time"
        value={formatCount(Math.max(ledger.stored, metrics.all_time.total))}
        note="stored, each once"
      />
      <Stat
        label={`Last ${windowLabel}`}
        value={formatCount(metrics.total)}
        note={metrics.failed > 0 ? `and ${formatCount(metrics.failed)} failed` : 'none failed'}
      />
      <Stat label="Per second, now" value={formatRate(metrics.rate_per_second)} note="last whole 10 s" />
      <div className="stat stat-latency">
        <dt className="stat-label">Latency, last {windowLabel}</dt>
        <dd className="stat-quantiles">
          {quantiles.map((name) => {
            const { value, unit } = splitLatency(latency[name]);
            return (
              <span key={name} className="quantile">
                <span className="stat-value">
                  {value}
                  <span className="stat-unit">{unit}</span>
                </span>
                <span className={`stat-note quantile-${name}`}>{name}</span>
              </span>
            );
          })}
        </dd>
      </div>
      <Stat
        label="Failed, open"
        value={formatCount(ledger.open_in_inbox)}
        tone={ledger.open_in_inbox > 0 ? 'warn' : undefined}
        note={
          ledger.open_in_inbox > 0 ? (
            <Link href={withQuery(paths.failed, { state: 'open' })}>look at them</Link>
          ) : (
            'nothing to do'
          )
        }
      />
      <Stat
        label="Duplicates, all time"
        value={formatCount(ledger.duplicate)}
        note={
          metrics.duplicates > 0
            ? `${formatShare(metrics.duplicates, metrics.total + metrics.duplicates)} of this window`
            : 'sent again, stored once'
        }
      />
    </dl>
  );
}

interface StatProps {
  readonly label: string;
  readonly value: string;
  readonly note: ReactNode;
  readonly tone?: 'warn';
}

function Stat({ label, value, note, tone }: StatProps) {
  return (
    <div className="stat">
      <dt className="stat-label">{label}</dt>
      <dd>
        <span className={`stat-value ${tone ? `stat-${tone}` : ''}`}>{value}</span>
        <span className="stat-note">{note}</span>
      </dd>
    </div>
  );
}
