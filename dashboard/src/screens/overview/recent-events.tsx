import { type FocusEvent, useRef, useState } from 'react';
import { Link } from 'wouter';
import type { Event } from '../../api/shapes.ts';
import { Panel } from '../../components/panel.tsx';
import { Empty } from '../../components/states.tsx';
import '../../components/table.css';
import { useThrottled } from '../../components/use-throttled.ts';
import { formatCount, plural } from '../../format/numbers.ts';
import { useLive } from '../../live/live-provider.tsx';
import { paths } from '../../routing/paths.ts';
import { EventRow, EventTableHead } from '../events/event-row.tsx';
import { useArrivals } from './arrivals.ts';
import './recent-events.css';

const rowsShown = 12;
const drawnEveryMs = 500;

/** The stream, newest first. It holds still under the pointer and the keyboard focus, so that a row can be hit. */
export function RecentEvents() {
  // Often enough to feel live, seldom enough to be read.
  const recent = useThrottled(useLive('recent'), drawnEveryMs);
  const leftOut = useLive('leftOut');
  const [held, setHeld] = useState<readonly Event[] | null>(null);
  const latest = useRef(recent);
  latest.current = recent;
  const isHovered = useRef(false);

  const hold = () => setHeld((before) => before ?? latest.current);
  const onFocus = (focus: FocusEvent) => {
    // The focus that a click leaves behind is no reason to hold on once the pointer has gone.
    if (focus.target.matches(':focus-visible')) hold();
    else if (!isHovered.current) setHeld(null);
  };
  const onBlur = ({ currentTarget, relatedTarget }: FocusEvent) => {
    // An event that was opened from here needs its row to come back to.
    const isNear = currentTarget.contains(relatedTarget) || relatedTarget?.closest('dialog');
    if (!isNear) setHeld(null);
  };
  const shown = (held ?? recent).slice(0, rowsShown);
  const lit = useArrivals(recent);
  const shownIds = new Set(held?.map((event) => event.id));
  const waiting = held === null ? 0 : recent.filter((event) => !shownIds.has(event.id)).length;

  return (
    <Panel
      title="Recent events"
      className="recent"
      note={
        held !== null ? (
          <span className="recent-held">paused{waiting > 0 && `, ${formatCount(waiting)} new`}</span>
        ) : (
          leftOut > 0 && `a sample: ${plural(leftOut, 'more event')} since the page was opened`
        )
      }
      actions={
        <Link href={paths.events} className="button button-quiet">
          All events
        </Link>
      }
    >
      {shown.length === 0 ? (
        <Empty title="No events yet">They appear here as they are stored.</Empty>
      ) : (
        // biome-ignore lint/a11y/noStaticElementInteractions: nothing is operated here, the stream only holds still
        <div
          className="table-region recent-rows"
          onPointerEnter={(pointer) => {
            if (pointer.pointerType !== 'mouse') return;
            isHovered.current = true;
            hold();
          }}
          onPointerLeave={() => {
            isHovered.current = false;
            if (!document.querySelector('dialog[open]')) setHeld(null);
          }}
          onFocus={onFocus}
          onBlur={onBlur}
        >
          <table className="table table-rows">
            <caption className="visually-hidden">Recent events, newest first</caption>
            <EventTableHead />
            <tbody>
              {shown.map((event) => (
                <EventRow key={event.id} event={event} isNew={lit.has(event.id)} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}
