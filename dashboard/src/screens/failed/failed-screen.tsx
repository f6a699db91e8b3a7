import { useState } from 'react';
import { api } from '../../api/request.ts';
import { usePages } from '../../api/use-pages.ts';
import { Button } from '../../components/button.tsx';
import { Choice } from '../../components/choice.tsx';
import { ListFoot, ListProblem } from '../../components/list-foot.tsx';
import { Empty, Failure, Loading } from '../../components/states.tsx';
import { useThrottled } from '../../components/use-throttled.ts';
import { useTitle } from '../../components/use-title.ts';
import { useJobs } from '../../jobs/jobs-provider.tsx';
import { useLive } from '../../live/live-provider.tsx';
import { useQuery } from '../../routing/use-query.ts';
import { BulkRedrive } from './bulk-redrive.tsx';
import { FailedFilters } from './failed-filters.tsx';
import { failedStates } from './failed-states.ts';
import { FailedTable } from './failed-table.tsx';

const stateOptions = [
  ...Object.entries(failedStates).map(([value, { text }]) => ({ value, text })),
  { value: 'all', text: 'All' },
];

const emptyTexts: Readonly<Record<string, string>> = {
  open: 'Nothing is waiting here',
  redriving: 'Nothing is being redriven',
  resolved: 'Nothing was resolved yet',
  discarded: 'Nothing was discarded',
  all: 'Nothing has failed',
};

export function FailedScreen() {
  useTitle('Failed events');
  const [query, change] = useQuery();
  const { progress } = useJobs();
  const snapshot = useLive('snapshot');
  const [isBulk, setIsBulk] = useState(false);
  const state = query.get('state') ?? 'open';
  const eventType = query.get('event_type') ?? undefined;
  const reason = query.get('reason') ?? undefined;
  const version = useThrottled(`${snapshot?.ledger?.open_in_inbox} ${progress}`, 1_000);
  const pages = usePages(
    `${state} ${eventType} ${reason}`,
    async (cursor, signal) => {
      const filter = { state: state === 'all' ? undefined : state, event_type: eventType, reason };
      const page = await api.failedEvents(filter, undefined, cursor, signal);
      return { items: page.failed_events, nextCursor: page.next_cursor };
    },
    version,
  );
  const hasFilter = eventType !== undefined || reason !== undefined;

  return (
    <>
      <div className="page-head">
        <h1>Failed events</h1>
        <Choice legend="State" value={state} options={stateOptions} onChange={(next) => change({ state: next })} />
      </div>
      <FailedFilters>
        {state === 'open' && pages.items.length > 0 && (
          <Button icon="redrive" className="filters-end" onClick={() => setIsBulk(true)}>
            {hasFilter ? 'Redrive all that match' : 'Redrive all'}
          </Button>
        )}
      </FailedFilters>
      <section className="panel" aria-label="Failed events">
        {pages.isLoading && <Loading rows={6} what="failed events" />}
        {pages.error && pages.items.length === 0 && <Failure error={pages.error} retry={pages.reload} />}
        {!pages.isLoading && !pages.error && pages.items.length === 0 && (
          <Empty title={hasFilter ? 'No failed event matches' : (emptyTexts[state] ?? 'No failed event matches')}>
            An event that cannot be stored is never dropped: it is kept here, whole, with the reason.
          </Empty>
        )}
        {pages.items.length > 0 && (
          <>
            <ListProblem pages={pages} />
            <FailedTable items={pages.items} hasState={state === 'all'} />
            <ListFoot pages={pages} what="failed event" />
          </>
        )}
      </section>
      {isBulk && <BulkRedrive filter={{ event_type: eventType, reason }} onClose={() => setIsBulk(false)} />}
    </>
  );
}
