import type { LedgerView } from '../../../../src/http/contract.ts';
import { Empty } from '../../components/states.tsx';
import { FailedPanel } from './failed-panel.tsx';
import { LedgerStrip } from './ledger-strip.tsx';
import { RecentEvents } from './recent-events.tsx';

/** A server that answers and has no numbers yet, because a part of it is away: the notice above says which. */
export function OverviewMissing({ ledger }: { readonly ledger: LedgerView | null }) {
  return (
    <div className="overview">
      <section className="panel overview-headline" aria-label="Numbers">
        <Empty title="The numbers cannot be read now">They appear by themselves as soon as they can.</Empty>
        {ledger && <LedgerStrip ledger={ledger} lagSeconds={null} />}
      </section>
      <RecentEvents />
      {ledger && <FailedPanel openCount={ledger.open_in_inbox} />}
    </div>
  );
}
