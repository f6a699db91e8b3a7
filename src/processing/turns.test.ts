import { describe, expect, it } from 'vitest';
import { createTurns } from './turns.ts';

/** Everything that can go on without a turn being given back has gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('go to the partitions of a lane one after another, in the order of asking', async () => {
    const turns = createTurns(2);
    const taken: number[] = [];
    const take = async (partition: number) => {
      const giveBack = await turns.take(partition);
      taken.push(partition);
      return giveBack;
    };
    const first = await take(0);
    const second = take(4);
    const third = take(2);
    await settled();
    expect(taken).toEqual([0]);

    first();
    const giveBack = await second;
    first();
    await settled();
    expect(taken).toEqual([0, 4]);

    giveBack();
    (await third)();
    expect(taken).toEqual([0, 4, 2]);
  });

  it('of one lane do not wait for those of another', async () => {
    const turns = createTurns(2);
    await turns.take(0);
    const giveBack = await turns.take(1);
    giveBack();
    await turns.take(3);
  });
});
