import { Link } from 'wouter';
import { api } from '../../api/request.ts';
import { useRequest } from '../../api/use-request.ts';
import { Moment } from '../../components/moment.tsx';
import { Panel } from '../../components/panel.tsx';
import { Empty, Failure, Loading } from '../../components/states.tsx';
import { useThrottled } from '../../components/use-throttled.ts';
import { formatCount, plural } from '../../format/numbers.ts';
import { useJobs } from '../../jobs/jobs-provider.tsx';
import { DetailLink } from '../../routing/detail-link.tsx';
import { paths, withQuery } from '../../routing/paths.ts';
import { reasonText } from '../failed/failed-states.ts';
import { RowAction } from '../failed/row-action.tsx';
import './failed-panel.css';

const rowsShown = 6;

export function FailedPanel({ openCount }: { readonly openCount: number }) {
  const { progress } = useJobs();
  // The number in the snapshot tells when to ask again; nothing is polled.
  const version = useThrottled(`${openCount} ${progress}`, 1_000);
  const { data, error, reload } = useRequest(
    'open failed events',
    (signal) => api.failedEvents({ state: 'open' }, rowsShown, undefined, signal),
    version,
  );
  return (
    <Panel
      title="Failed events"
      note={openCount > 0 && `${formatCount(openCount)} open`}
      actions={
        <Link href={withQuery(paths.failed, { state: 'open' })} className="button button-quiet">
          All failed
        </Link>
      }
    >
      {error && !data && <Failure error={error} retry={reload} />}
      {!error && !data && <Loading what="failed events" />}
      {data?.failed_events.length === 0 && (
        <Empty title="Nothing is waiting here">
          Events that cannot be stored are kept here, whole, with the reason.
        </Empty>
      )}
      {data && data.failed_events.length > 0 && (
        <ul className="failed-list" aria-label="Open failed events">
          {data.failed_events.map((failed) => (
            <li key={failed.id} className="failed-item">
              <div className="failed-words">
                <DetailLink path={paths.failedEvent(failed.id)} className="failed-link clip">
                  {failed.event_type ?? 'No readable type'}
                </DetailLink>
                <span className="failed-reason clip" title={failed.reason.message}>
                  {reasonText(failed.reason.code)} · <Moment at={failed.failed_at} />
                </span>
              </div>
              <RowAction failed={failed} />
            </li>
          ))}
          {openCount > data.failed_events.length && (
            <li className="failed-more">
              <Link href={withQuery(paths.failed, { state: 'open' })}>
                and {plural(openCount - data.failed_events.length, 'more', 'more')}
              </Link>
            </li>
          )}
        </ul>
      )}
    </Panel>
  );
}
