import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { eventOf } from '../testing/event-store.batches.ts';
import { loopHarness, type ScriptedBatch } from '../testing/partition-loop-harness.ts';
import { createBatchSlots } from './batch-slots.ts';
import { recordsAtOnce } from './build-batch.ts';

/** Everything that can go on without a slot being released has gone on. */
async function settled(): Promise<void> {
  for (let pass = 0; pass < 5; pass += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** One record more than is decoded in one piece. */
const batchOfMany: ScriptedBatch = {
  records: Array.from({ length: recordsAtOnce + 1 }, (_, nth) => [nth, encodeRecord(eventOf())] as const),
};

/** What each batch has come to, in order. */
function follow(writers: number) {
  const slots = createBatchSlots(writers);
  const steps: string[] = [];

  /** A batch that is decoded until `decode` is called, and stored until `store` is. */
  function batch(partition: number) {
    const [decode, store] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const work = async () => {
      const slot = await slots.acquire(partition);
      await slot.decodeAlone(() => {
        steps.push(`decode ${partition}`);
        return decode.promise;
      });
      await slot.waitToStore();
      steps.push(`store ${partition}`);
      await store.promise;
      slot.release();
      slot.release();
    };
    return { done: work(), decode: decode.resolve, store: store.resolve };
  }
  return { batch, steps };
}

describe('slots', () => {
  it('let the partitions of a writer store one after another, in the order of asking, while the next is decoded', async () => {
    const { batch, steps } = follow(2);
    const batches = [batch(0), batch(4), batch(2)];
    for (const { decode } of batches) decode();
    await settled();
    expect(steps).toEqual(['decode 0', 'store 0', 'decode 4']);

    batches[0]!.store();
    await settled();
    expect(steps.slice(3).sort()).toEqual(['decode 2', 'store 4']);

    batches[1]!.store();
    batches[2]!.store();
    await Promise.all(batches.map(({ done }) => done));
    expect(steps.at(-1)).toBe('store 2');
  });

  it('of one writer do not wait for those of another to store', async () => {
    const { batch, steps } = follow(2);
    const batches = [batch(0), batch(1)];
    for (const { decode } of batches) decode();
    await settled();
    expect(steps).toContain('store 0');
    expect(steps).toContain('store 1');
  });

  it('let one batch be decoded at a time, whatever the writer, also after one that fails', async () => {
    const { batch, steps } = follow(2);
    const [first] = [batch(0), batch(1), batch(2)];
    await settled();
    expect(steps).toEqual(['decode 0']);
    first!.decode();
    await settled();
    expect(steps).toEqual(['decode 0', 'store 0', 'decode 1']);

    const slots = createBatchSlots(1);
    const slot = await slots.acquire(0);
    await expect(slot.decodeAlone(() => Promise.reject(new Error('damaged')))).rejects.toThrow('damaged');
    expect(await slot.decodeAlone(async () => 'decoded')).toBe('decoded');
  });

  it('are released by a batch that waits for the store', async () => {
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
        slots: {
          async acquire(partition) {
            steps.push(`slot of ${partition}`);
            return {
              decodeAlone(work) {
                steps.push('decode');
                return work();
              },
              waitToStore: async () => void steps.push('to store'),
              release: () => void steps.push('released'),
            };
          },
        },
        pause: async () => void steps.push('pause'),
      },
    });
    expect(steps).toEqual([
      ...['slot of 0', 'decode', 'to store', 'built', 'commit', 'released', 'pause', 'commit', 'released'],
    ]);
  });

  it('are released, and nothing is stored, where the end comes while a batch waits to be', async () => {
    const { run, stop, store, claimed } = await loopHarness();
    const steps: string[] = [];
    const { end } = await run([{ records: [[0, encodeRecord(eventOf())]] }], {
      options: {
        slots: {
          acquire: async () => ({
            decodeAlone: (work) => work(),
            async waitToStore() {
              stop.abort(new Error('the worker stops'));
            },
            release: () => void steps.push('released'),
          }),
        },
      },
    });
    expect(end).toBe('aborted');
    expect(steps).toEqual(['released']);
    expect(await store.progress(claimed.consumer)).toMatchObject([{ nextOffset: 0 }]);
  });

  it('are no part of the time that a batch has taken: decoding and storing it are', async () => {
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
        slots: {
          async acquire() {
            pass(1_000);
            return {
              async decodeAlone(work) {
                pass(1_000);
                const decoding = work();
                pass(4);
                return decoding;
              },
              waitToStore: async () => pass(1_000),
              release: () => undefined,
            };
          },
        },
      },
    });
    const committed = told.find(({ name }) => name === 'batch.committed');
    expect(committed?.payload).toMatchObject({ records: batchOfMany.records.length, durationMs: 34 });
  });

  it('are not waited for by a batch that is decoded in one piece', async () => {
    const { run } = await loopHarness();
    const { end, progress } = await run([{ records: [[0, encodeRecord(eventOf())]] }], {
      options: {
        slots: {
          acquire: async () => ({
            decodeAlone: () => Promise.reject(new Error('the others decode for a long time')),
            waitToStore: async () => undefined,
            release: () => undefined,
          }),
        },
      },
    });
    expect(end).toBe('aborted');
    expect(progress.nextOffset).toBe(1);
  });
});
