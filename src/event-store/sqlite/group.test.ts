import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import { batchOf, eventOf } from '../../testing/event-store.batches.ts';
import { noProgressOn } from '../no-progress.ts';
import type { Batch, Commits } from './commit.ts';
import { createGroupCommit } from './group.ts';

const committed = { kind: 'committed', alreadyCommitted: false, written: null } as const;

function batch(partition: number, records = 1): Batch {
  const progress = noProgressOn(1, 'log-a', { consumer: 'store', partition, logStart: 0 });
  const request = batchOf(progress, new Array(records).fill(eventOf()));
  return { request, decide: decideBatch };
}

/** Tells the partitions of each transaction. */
function setUp(overrides: Partial<Commits> & { readonly beforeEach?: () => void } = {}) {
  const transactions: number[][] = [];
  const commits: Commits = {
    together(batches) {
      transactions.push(batches.map(({ request }) => request.partition));
      return (overrides.together ?? (() => batches.map(() => committed)))(batches);
    },
    alone(one) {
      transactions.push([one.request.partition]);
      return overrides.alone?.(one) ?? committed;
    },
  };
  const commit = createGroupCommit(commits, overrides.beforeEach ?? (() => undefined));
  return { commit, transactions };
}

describe('batches of one turn', () => {
  it('share a transaction, and a later one has another', async () => {
    const { commit, transactions } = setUp();
    expect(await Promise.all([0, 1, 2].map((partition) => commit(batch(partition))))).toEqual(
      new Array(3).fill(committed),
    );
    await commit(batch(3));
    expect(transactions).toEqual([[0, 1, 2], [3]]);
  });

  it('are as many as one full batch holds, but one at least', async () => {
    const { commit, transactions } = setUp();
    const sizes = [1_500, limits.batchRecordsMax - 1_500, 1, limits.batchRecordsMax + 1, 1, 1];
    await Promise.all(sizes.map((size, partition) => commit(batch(partition, size))));
    expect(transactions).toEqual([[0, 1], [2], [3], [4, 5]]);
  });

  it('are all tried alone when one may be at fault, which alone hears of it', async () => {
    const { commit, transactions } = setUp({
      together() {
        throw new TypeError('one of them');
      },
      alone({ request }) {
        if (request.partition === 1) throw new TypeError('this one');
        return committed;
      },
    });
    const results = await Promise.allSettled([0, 1, 2].map((partition) => commit(batch(partition))));
    expect(transactions).toEqual([[0, 1, 2], [0], [1], [2]]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { message: 'this one' } });
  });

  it('all hear at once that the store is away', async () => {
    const error = new UnavailableError('store_busy', 'busy');
    const { commit, transactions } = setUp({
      beforeEach() {
        throw error;
      },
    });
    const results = await Promise.allSettled([0, 1].map((partition) => commit(batch(partition))));
    expect(transactions).toEqual([]);
    expect(results).toEqual(new Array(2).fill({ status: 'rejected', reason: error }));
  });
});
