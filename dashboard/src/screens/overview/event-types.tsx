import { Link } from 'wouter';
import type { LiveSnapshot } from '../../../../src/http/contract.ts';
import { Panel } from '../../components/panel.tsx';
import { Empty } from '../../components/states.tsx';
import { formatCount, formatShare, plural } from '../../format/numbers.ts';
import { paths, withQuery } from '../../routing/paths.ts';
import type { WindowName } from '../../routing/windows.ts';
import './event-types.css';

interface EventTypesProps {
  readonly metrics: Pick<NonNullable<LiveSnapshot['metrics']>, 'by_type' | 'types' | 'total'>;
  readonly window: WindowName;
  readonly windowLabel: string;
}

const shownTypes = 12;

/** Types that are counted together under a name of the server's own can't be asked for by it. */
const isAskable = (name: string) => name !== '(other)' && name !== '(none)';

export function EventTypes({ metrics, window, windowLabel }: EventTypesProps) {
  const { total } = metrics;
  const shown = metrics.by_type.slice(0, shownTypes);
  // A snapshot lists the most frequent only; what all of them have tells of the rest.
  const restTypes = metrics.types - shown.length;
  const restCount = total - shown.reduce((sum, { count }) => sum + count, 0);
  const longest = Math.max(1, shown[0]?.count ?? 0, restCount);
  return (
    <Panel title="Events by type" note={`last ${windowLabel}`} className="types">
      {shown.length === 0 ? (
        <Empty title="No events in this window">Choose a longer one to see more.</Empty>
      ) : (
        <ol className="types-list" aria-label="Events by type">
          {shown.map(({ event_type: name, count }) => {
            const bar = <TypeBar name={name} count={count} total={total} longest={longest} />;
            return (
              <li key={name}>
                {isAskable(name) ? (
                  <Link
                    href={withQuery(paths.events, { event_type: name, last: window })}
                    className="type type-link"
                    title={`Show the events of ${name}`}
                  >
                    {bar}
                  </Link>
                ) : (
                  <span className="type">{bar}</span>
                )}
              </li>
            );
          })}
          {restTypes > 0 && (
            <li>
              <span className="type type-rest">
                <TypeBar name={plural(restTypes, 'other type')} count={restCount} total={total} longest={longest} />
              </span>
            </li>
          )}
        </ol>
      )}
    </Panel>
  );
}

interface TypeBarProps {
  readonly name: string;
  readonly count: number;
  readonly total: number;
  readonly longest: number;
}

function TypeBar({ name, count, total, longest }: TypeBarProps) {
  return (
    <>
      <span className="type-words">
        <span className="type-name clip">{name}</span>
        <span className="type-count">{formatCount(count)}</span>
        <span className="type-share">{formatShare(count, total)}</span>
      </span>
      <span className="type-track" aria-hidden="true">
        <span className="type-bar" style={{ transform: `scaleX(${count / longest})` }} />
      </span>
    </>
  );
}
