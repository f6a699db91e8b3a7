import { expect, it } from 'vitest';
import type { Event } from '../../api/shapes.ts';
import { afterDraw } from './arrivals.ts';

const events = (...ids: string[]) => ids.map((id) => ({ id }) as Event);
const nothing = { events: events('a', 'b'), lit: new Set<string>() };

it('lights up the few that came, and keeps them lit while they are there', () => {
  const first = afterDraw(nothing, events('c', 'a', 'b'));
  expect([...first.lit]).toEqual(['c']);
  const second = afterDraw(first, events('e', 'd', 'c', 'a'));
  expect([...second.lit]).toEqual(['e', 'd', 'c']);
  expect([...afterDraw(second, events('f', 'e')).lit]).toEqual(['f', 'e']);
});

it('lights up nothing where the whole list is new', () => {
  const flood = events('c', 'd', 'e', 'f', 'g', 'a');
  expect([...afterDraw(nothing, flood).lit]).toEqual([]);
});
