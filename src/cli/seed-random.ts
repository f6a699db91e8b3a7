/** Draws that repeat for the same seed. */
export interface SeededRandom {
  /** In [0, 1). */
  number(): number;
  /** From `min` to `max`, both included. */
  integer(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<Item>(items: readonly Item[]): Item;
  /** Few items often, most of them seldom, as with real customers: index ∝ u³. */
  pickSkewed<Item>(items: readonly Item[]): Item;
  /** Mean 1; the time between independent arrivals. */
  exponential(): number;
  /** A version 4 UUID. */
  uuid(): string;
}

export function createSeededRandom(seed: number): SeededRandom {
  // sfc32 (Chris Doty-Humphrey, PractRand; public domain): small, fast, and passes the batteries that matter here.
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = Math.floor(seed / 2 ** 32) + 1;
  function next(): number {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  }
  // The first draws still show the seed's own bits.
  for (let i = 0; i < 15; i++) next();

  const number = () => next() / 2 ** 32;
  const integer = (min: number, max: number) => min + Math.floor(number() * (max - min + 1));
  const hex = () => next().toString(16).padStart(8, '0');
  return {
    number,
    integer,
    chance: (probability) => number() < probability,
    pick: (items) => items[integer(0, items.length - 1)]!,
    pickSkewed: (items) => items[Math.floor(number() ** 3 * items.length)]!,
    exponential: () => -Math.log(1 - number()),
    uuid() {
      const digits = hex() + hex() + hex() + hex();
      const variant = '89ab'[integer(0, 3)];
      return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-${variant}${digits.slice(17, 20)}-${digits.slice(20)}`;
    },
  };
}
