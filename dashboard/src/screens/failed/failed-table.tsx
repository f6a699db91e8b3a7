import type { FailedEventSummary } from '../../../../src/http/contract.ts';
import { Badge } from '../../components/badge.tsx';
import { Moment } from '../../components/moment.tsx';
import '../../components/table.css';
import { DetailLink } from '../../routing/detail-link.tsx';
import { paths } from '../../routing/paths.ts';
import { failedStates, reasonText } from './failed-states.ts';
import './failed.css';
import { RowAction } from './row-action.tsx';

interface FailedTableProps {
  readonly items: readonly FailedEventSummary[];
  /** They are in several. */
  readonly hasState: boolean;
}

export function FailedTable({ items, hasState }: FailedTableProps) {
  return (
    <div className="table-region">
      <table className="table table-rows failed-table">
        <caption className="visually-hidden">Failed events, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Failed</th>
            <th scope="col">Type</th>
            <th scope="col" className="column-mid">
              Reason
            </th>
            <th scope="col" className="number column-wide">
              Attempt
            </th>
            {hasState && (
              <th scope="col" className="column-mid">
                State
              </th>
            )}
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((failed) => (
            <tr key={failed.id}>
              <td className="soft">
                <DetailLink
                  path={paths.failedEvent(failed.id)}
                  className="row-link"
                  label={`${failed.event_type ?? 'No readable type'}, ${failed.id}`}
                >
                  <Moment at={failed.failed_at} />
                </DetailLink>
              </td>
              <td className="event-type clip">
                {failed.event_type ?? <span className="faint">No readable type</span>}
                <span className="failed-why-small clip">
                  {failed.state !== 'open' && `${failedStates[failed.state].text} · `}
                  {reasonText(failed.reason.code)}
                </span>
              </td>
              <td className="column-payload column-mid">
                <span className="failed-why clip" title={failed.reason.message}>
                  {reasonText(failed.reason.code)} <span className="faint">{failed.reason.message}</span>
                </span>
              </td>
              <td className="number column-wide">{failed.attempt}</td>
              {hasState && (
                <td className="column-mid">
                  <Badge tone={failedStates[failed.state].tone}>{failedStates[failed.state].text}</Badge>
                </td>
              )}
              <td className="number">
                {failed.state === 'open' && (
                  <span className="row-above row-actions">
                    <RowAction failed={failed} />
                  </span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
