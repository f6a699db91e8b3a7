import { Link } from 'wouter';
import type { LedgerView } from '../../../../src/http/contract.ts';
import { Badge } from '../../components/badge.tsx';
import { formatCount } from '../../format/numbers.ts';
import { paths } from '../../routing/paths.ts';
import './ledger-strip.css';
import { Lag } from '../ledger/lag.tsx';
import { ledgerTerms } from '../ledger/ledger-terms.ts';

interface LedgerStripProps {
  readonly ledger: LedgerView;
  /** Null while the metrics cannot be read. */
  readonly lagSeconds: number | null;
}

/** Where every record that was ever appended is now, as an equation. */
export function LedgerStrip({ ledger, lagSeconds }: LedgerStripProps) {
  return (
    <section className="strip" aria-label="Ledger">
      <div className="strip-equation">
        <span className="term">
          <span className="term-value">{formatCount(ledger.appended)}</span>
          <span className="term-name">appended</span>
        </span>
        {ledgerTerms.map(({ key, name, isBad, explained }, index) => (
          <span key={key} className="strip-pair">
            <span className="strip-sign">{index === 0 ? '=' : '+'}</span>
            <span className={`term ${ledger[key] === 0 ? 'term-zero' : ''}`} title={explained}>
              <span className={`term-value ${isBad && ledger[key] > 0 ? 'term-bad' : ''}`}>
                {formatCount(ledger[key])}
              </span>
              <span className="term-name">{name}</span>
            </span>
          </span>
        ))}
      </div>
      <div className="strip-side">
        <Lag inFlight={ledger.in_flight} lagSeconds={lagSeconds} />
        <Link href={paths.ledger} className="strip-mark">
          <Badge tone={ledger.balanced ? 'good' : 'bad'}>{ledger.balanced ? 'Balanced' : 'Unbalanced'}</Badge>
        </Link>
      </div>
    </section>
  );
}
