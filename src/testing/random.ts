/** A seeded generator (mulberry32): a test that found something can be run again from the seed it printed. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  /** An integer in [0, below). */
  below(below: number): number;
  pick<Item>(items: readonly Item[]): Item;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  const below = (limit: number) => Math.floor(next() * limit);
  return { next, below, pick: (items) => items[below(items.length)]! };
}

/**
 * A seed to draw by: another one each time, or the one that is to be repeated. Whoever takes it tells it where the test
 * fails.
 */
export function testSeed(): number {
  return Number(process.env.ESP_TEST_SEED ?? Date.now() % 1_000_000);
}
