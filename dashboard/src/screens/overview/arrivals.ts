import { useState } from 'react';
import type { Event } from '../../api/shapes.ts';

/** Rows that may light up at one draw. Where more come, all of them would be lit all the time, which tells nothing. */
const litMax = 4;

interface Arrivals {
  readonly events: readonly Event[];
  readonly lit: ReadonlySet<string>;
}

/**
 * Which rows to light up: those that came in by ones and twos. A row stays lit as long as it is there: it fades by
 * itself.
 */
export function afterDraw(before: Arrivals, events: readonly Event[]): Arrivals {
  const known = new Set(before.events.map(({ id }) => id));
  const arrived = events.filter(({ id }) => !known.has(id));
  const isLit = ({ id }: Event) => before.lit.has(id) || (arrived.length <= litMax && !known.has(id));
  return { events, lit: new Set(events.filter(isLit).map(({ id }) => id)) };
}

/** @returns the ids of the events among `events` whose rows light up */
export function useArrivals(events: readonly Event[]): ReadonlySet<string> {
  const [arrivals, setArrivals] = useState<Arrivals>({ events, lit: new Set() });
  if (arrivals.events !== events) setArrivals(afterDraw(arrivals, events));
  return arrivals.lit;
}
