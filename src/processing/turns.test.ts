import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { eventOf } from '../testing/event-store.batches.ts';
import { loopHarness, type ScriptedBatch } from '../testing/partition-loop-harness.ts';
import { recordsAtOnce } from './build-batch.ts';
import { createTurns } from './turns.ts';

/** Everything that can go on without a turn being given back has gone on. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** One record more than is read in one piece. */
const batchOfMany: ScriptedBatch = {
  records: Array.from({ length: recordsAtOnce + 1 }, (_, nth) => [nth, encodeRecord(eventOf())] as const),
};

/** What each batch has come to, in order. */
function follow(lanes: number) {
  const turns = createTurns(lanes);
  const steps: string[] = [];

  /** A batch that is read until `read` is called, and stored until `store` is. */
  function batch(partition: number) {
    const [read, store] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const work = async () => {
      const turn = await turns.take(partition);
      await turn.read(() => {
        steps.push(`read ${partition}`);
        return read.promise;
      });
      await turn.toStore();
      steps.push(`store ${partition}`);
      await store.promise;
      turn.giveBack();
      turn.giveBack();
    };
    return { done: work(), read: read.resolve, store: store.resolve };
  }
  return { batch, steps };
}

describe('turns', () => {
  it('to store go to the partitions of a lane one after another, in the order of asking, and the next is read meanwhile', async () => {
    const { batch, steps } = follow(2);
    const batches = [batch(0), batch(4), batch(2)];
    for (const { read } of batches) read();
    await settled();
    expect(steps).toEqual(['read 0', 'store 0', 'read 4']);

    batches[0]!.store();
    await settled();
    expect(steps.slice(3).sort()).toEqual(['read 2', 'store 4']);

    batches[1]!.store();
    batches[2]!.store();
    await Promise.all(batches.map(({ done }) => done));
    expect(steps.at(-1)).toBe('store 2');
  });

  it('to store in one lane do not wait for those of another', async () => {
    const { batch, steps } = follow(2);
    const batches = [batch(0), batch(1)];
    for (const { read } of batches) read();
    await settled();
    expect(steps).toContain('store 0');
    expect(steps).toContain('store 1');
  });

  it('to read are one at a time, whatever the lane, also after one that fails', async () => {
    const { batch, steps } = follow(2);
    const [first] = [batch(0), batch(1), batch(2)];
    await settled();
    expect(steps).toEqual(['read 0']);
    first!.read();
    await settled();
    expect(steps).toEqual(['read 0', 'store 0', 'read 1']);

    const turns = createTurns(1);
    const turn = await turns.take(0);
    await expect(turn.read(() => Promise.reject(new Error('damaged')))).rejects.toThrow('damaged');
    expect(await turn.read(async () => 'read')).toBe('read');
  });

  it('are given back by a batch that waits for the store', async () => {
    const { run } = await loopHarness();
    const steps: string[] = [];
    let tries = 0;
    await run([batchOfMany], {
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
            return {
              read(work) {
                steps.push('read');
                return work();
              },
              toStore: async () => void steps.push('to store'),
              giveBack: () => void steps.push('given back'),
            };
          },
        },
        pause: async () => void steps.push('pause'),
      },
    });
    expect(steps).toEqual([
      ...['turn of 0', 'read', 'to store', 'built', 'commit', 'given back', 'pause', 'commit', 'given back'],
    ]);
  });

  it('are given back, and nothing is stored, where the end comes while a batch waits to be', async () => {
    const { run, stop, store, claimed } = await loopHarness();
    const steps: string[] = [];
    const { end } = await run([{ records: [[0, encodeRecord(eventOf())]] }], {
      options: {
        turns: {
          take: async () => ({
            read: (work) => work(),
            async toStore() {
              stop.abort(new Error('the worker stops'));
            },
            giveBack: () => void steps.push('given back'),
          }),
        },
      },
    });
    expect(end).toBe('aborted');
    expect(steps).toEqual(['given back']);
    expect(await store.progress(claimed.consumer)).toMatchObject([{ nextOffset: 0 }]);
  });

  it('are no part of the time that a batch has taken: reading and storing it are', async () => {
    const { run } = await loopHarness();
    let now = 0;
    const pass = (ms: number) => {
      now += ms;
    };
    const { told } = await run([batchOfMany], {
      store: (real) => ({
        async commit(request, decide) {
          pass(30);
          return real.commit(request, decide);
        },
      }),
      options: {
        elapsed: () => now,
        turns: {
          async take() {
            pass(1_000);
            return {
              async read(work) {
                pass(1_000);
                const reading = work();
                pass(4);
                return reading;
              },
              toStore: async () => pass(1_000),
              giveBack: () => undefined,
            };
          },
        },
      },
    });
    const committed = told.find(({ name }) => name === 'batch.committed');
    expect(committed?.payload).toMatchObject({ records: batchOfMany.records.length, durationMs: 34 });
  });

  it('to read are not waited for by a batch that is read in one piece', async () => {
    const { run } = await loopHarness();
    const { end, progress } = await run([{ records: [[0, encodeRecord(eventOf())]] }], {
      options: {
        turns: {
          take: async () => ({
            read: () => Promise.reject(new Error('the others read for a long time')),
            toStore: async () => undefined,
            giveBack: () => undefined,
          }),
        },
      },
    });
    expect(end).toBe('aborted');
    expect(progress.nextOffset).toBe(1);
  });
});
