import type { Candidate } from './batch.ts';

/**
 * A batch's candidates in the order of their ids, worked out once for each batch. It finds the few that share an id
 * with one another or with what is stored. A map would have to be asked for every one of them: V8 then works out and
 * keeps a hash for each id, which in a batch of 2,000 took more time and memory than sorting what is nearly in order.
 */
export function inOrderOfId(candidates: readonly Candidate[]): readonly Candidate[] {
  const known = sortedOf.get(candidates);
  if (known !== undefined) return known;
  const sorted = candidates.toSorted((a, b) => compareTexts(a.event.id, b.event.id));
  sortedOf.set(candidates, sorted);
  return sorted;
}

const sortedOf = new WeakMap<readonly Candidate[], readonly Candidate[]>();

/** Those that are not the only one with their id. */
export function repeated(sorted: readonly Candidate[]): readonly Candidate[] {
  const found: Candidate[] = [];
  const isLike = (candidate: Candidate, nth: number) => sorted[nth]?.event.id === candidate.event.id;
  for (let nth = 0; nth < sorted.length; nth += 1) {
    const candidate = sorted[nth]!;
    if (isLike(candidate, nth - 1) || isLike(candidate, nth + 1)) found.push(candidate);
  }
  return found;
}

/** Those with this id. */
export function withId(sorted: readonly Candidate[], id: string): readonly Candidate[] {
  let from = 0;
  for (let to = sorted.length; from < to; ) {
    const middle = (from + to) >>> 1;
    if (sorted[middle]!.event.id < id) from = middle + 1;
    else to = middle;
  }
  let end = from;
  while (sorted[end]?.event.id === id) end += 1;
  return sorted.slice(from, end);
}

export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
