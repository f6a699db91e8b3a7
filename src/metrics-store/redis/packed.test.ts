import { expect, it } from 'vitest';
import { createRandom, testSeed } from '../../testing/random.ts';
import { pack, unpack } from './packed.ts';

const roundTrip = (values: readonly number[]) => [...unpack(pack(values))];

it('gives back every count up to 2^53, and leaves out zeros at the end', () => {
  const values = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 + 1, 2 ** 48 + 7, Number.MAX_SAFE_INTEGER];
  expect(roundTrip(values)).toEqual(values);
  expect(roundTrip([5, 0, 0])).toEqual([5]);
  expect(roundTrip([])).toEqual([]);
});

it('gives back whatever it was given', () => {
  const seed = testSeed();
  const random = createRandom(seed);
  for (let round = 0; round < 300; round += 1) {
    const values = Array.from({ length: random.below(400) }, () => {
      return random.below(3) === 0 ? random.below(random.pick([2, 200, 70_000, 2 ** 40])) : 0;
    });
    expect(
      [...roundTrip(values), ...new Array<number>(values.length - roundTrip(values).length).fill(0)],
      `seed ${seed}`,
    ).toEqual(values);
  }
});

it('takes a byte for a small count, and two for a long run of nothing', () => {
  expect(pack([1, 2, 3])).toHaveLength(3);
  expect(pack([...new Array<number>(100).fill(0), 1])).toHaveLength(3);
});

it('reads what nobody of us has written without taking all memory', () => {
  expect(unpack(Buffer.from([0, 255, 255, 255, 255, 255, 127])).length).toBeLessThanOrEqual(1_000_000);
  expect([...unpack(Buffer.from([255]))]).toEqual([127]);
});
