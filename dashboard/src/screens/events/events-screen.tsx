import { api, type EventFilter } from '../../api/request.ts';
import type { Event } from '../../api/shapes.ts';
import { type PagesState, usePages } from '../../api/use-pages.ts';
import { Button } from '../../components/button.tsx';
import { ListFoot, ListProblem } from '../../components/list-foot.tsx';
import { Empty, Failure, Loading } from '../../components/states.tsx';
import '../../components/table.css';
import { useTitle } from '../../components/use-title.ts';
import { useLive } from '../../live/live-provider.tsx';
import { useQuery } from '../../routing/use-query.ts';
import { FirstRun } from '../first-run.tsx';
import { EventFilters } from './event-filters.tsx';
import { EventRow, EventTableHead } from './event-row.tsx';
import { timeFilter } from './time-spans.ts';

export function EventsScreen() {
  useTitle('Events');
  const [query] = useQuery();
  const snapshot = useLive('snapshot');
  const recent = useLive('recent');
  const own = {
    event_type: query.get('event_type') ?? undefined,
    id: query.get('id') ?? undefined,
    source: query.get('source') ?? undefined,
    last: query.get('last') ?? undefined,
    from: query.get('from') ?? undefined,
    to: query.get('to') ?? undefined,
  };
  const pages = usePages(JSON.stringify(own), async (cursor, signal) => {
    const { event_type, id, source } = own;
    const filter: EventFilter = { event_type, id, source, ...timeFilter(query, Date.now()) };
    const { events, next_cursor: nextCursor } = await api.events(filter, cursor, signal);
    return { items: events, nextCursor };
  });
  const newest = pages.items[0]?.received_at;
  const hasNewer =
    newest !== undefined &&
    own.to === undefined &&
    // An id is known or not; what else comes in is nothing to it.
    own.id === undefined &&
    recent.some(
      (event) =>
        event.received_at > newest &&
        (own.event_type ?? event.event_type) === event.event_type &&
        (own.source ?? event.source) === event.source,
    );
  const hasFilter = Object.values(own).some((value) => value !== undefined);

  if (snapshot?.ledger?.appended === 0 && !hasFilter) return <FirstRun />;
  return (
    <>
      <div className="page-head">
        <h1>Events</h1>
        <Button
          icon="refresh"
          look={hasNewer ? 'primary' : 'plain'}
          className="events-refresh"
          isBusy={pages.isReloading}
          onClick={pages.reload}
        >
          {pages.isReloading ? 'Loading' : hasNewer ? 'Show newer events' : 'Refresh'}
        </Button>
      </div>
      <EventFilters />
      <EventList pages={pages} isByIdAlone={own.id !== undefined && own.source === undefined} />
    </>
  );
}

interface EventListProps {
  readonly pages: PagesState<Event>;
  readonly isByIdAlone: boolean;
}

function EventList({ pages, isByIdAlone }: EventListProps) {
  return (
    <section className="panel" aria-label="Events">
      {pages.isLoading && <Loading rows={12} what="events" />}
      {pages.error && pages.items.length === 0 && <Failure error={pages.error} retry={pages.reload} />}
      {!pages.isLoading && !pages.error && pages.items.length === 0 && (
        <Empty title="No event matches">
          {isByIdAlone
            ? 'An id that a client gave is looked for under its source: fill in both. What failed stands under Failed.'
            : 'Type, id and source must match exactly, upper and lower case included.'}
        </Empty>
      )}
      {pages.items.length > 0 && (
        <>
          <ListProblem pages={pages} />
          <div className="table-region">
            <table className="table table-rows">
              <caption className="visually-hidden">Events, newest first</caption>
              <EventTableHead />
              <tbody>
                {pages.items.map((event) => (
                  <EventRow key={event.id} event={event} />
                ))}
              </tbody>
            </table>
          </div>
          <ListFoot pages={pages} what="event" />
        </>
      )}
    </section>
  );
}
