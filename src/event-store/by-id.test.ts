import { expect, it } from 'vitest';
import { eventOf } from '../testing/event-store.batches.ts';
import { createRandom, testSeed } from '../testing/random.ts';
import type { Candidate } from './batch.ts';
import { inOrderOfId, repeated, withId } from './by-id.ts';

function candidatesOf(ids: readonly string[]): readonly Candidate[] {
  return ids.map((id, offset) => ({ event: eventOf({ id }), offset, contentHash: '', value: new Uint8Array() }));
}

it('finds what a look at each of them finds, whatever the ids', () => {
  const seed = testSeed();
  const random = createRandom(seed);
  for (let round = 0; round < 500; round += 1) {
    const ids = Array.from({ length: random.below(12) }, () => `id-${random.below(8)}`);
    const candidates = candidatesOf(ids);
    const sorted = inOrderOfId(candidates);
    const what = `seed ${seed}, ${ids.join(' ')}`;
    expect(
      sorted.toSorted((a, b) => a.offset - b.offset),
      what,
    ).toEqual(candidates);
    expect(
      sorted.map(({ event }) => event.id),
      what,
    ).toEqual(ids.toSorted());
    const isRepeated = ({ event }: Candidate) => ids.indexOf(event.id) !== ids.lastIndexOf(event.id);
    expect(new Set(repeated(sorted)), what).toEqual(new Set(candidates.filter(isRepeated)));
    for (const id of ['', ...ids, 'id-4', 'id-9']) {
      expect(withId(sorted, id), what).toEqual(candidates.filter(({ event }) => event.id === id));
    }
  }
});

it('keeps those of one id in their order', () => {
  expect(withId(inOrderOfId(candidatesOf(['b', 'a', 'b', 'b'])), 'b').map(({ offset }) => offset)).toEqual([0, 2, 3]);
});
