import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { eventOf } from '../testing/event-store.batches.ts';
import { loopHarness } from '../testing/partition-loop-harness.ts';
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

  it('are given back by a batch that waits for the store', async () => {
    const { run } = await loopHarness();
    const steps: string[] = [];
    let tries = 0;
    await run([{ records: [[0, encodeRecord(eventOf())]] }], {
      store: (real) => ({
        async commit(request, decide) {
          steps.push('commit');
          tries += 1;
          if (tries === 1) throw new UnavailableError('store_unavailable', 'away');
          return real.commit(request, decide);
        },
      }),
      atPoint: (point) => void (point === 'built' && steps.push('built')),
      options: {
        turns: {
          async take(partition) {
            steps.push(`turn of ${partition}`);
            return () => void steps.push('given back');
          },
        },
        pause: async () => void steps.push('pause'),
      },
    });
    expect(steps).toEqual(['turn of 0', 'built', 'commit', 'given back', 'pause', 'commit', 'given back']);
  });
});
