import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { otherEventType } from '../../domain/event.ts';
import { storeConsumer } from '../../domain/inbox.ts';
import { decideBatch } from '../../processing/decide-batch.ts';
import {
  type BatchRecord,
  batchOf,
  claimOf,
  commitBatch,
  eventOf,
  eventsOf,
  progressOf,
} from '../../testing/event-store.batches.ts';
import { expectClean } from '../../testing/event-store.contract.harness.ts';
import {
  makePostgresHarness,
  type PostgresStoreHarness,
  useDatabase,
  withPostgres,
} from '../../testing/postgres-store.ts';
import { createRandom, testSeed } from '../../testing/random.ts';
import { waitUntil } from '../../testing/stack/wait-until.ts';
import type { EventStore } from '../event-store.ts';

/** What several workers do to one store at the same time, each with a handle of its own. */
const url = useDatabase();
let harness: PostgresStoreHarness;
beforeEach(async () => {
  harness = await makePostgresHarness(url());
});
afterEach(() => harness.dispose());

/** Several handles, as several processes have them. */
const openStores = (count: number, options = {}) =>
  Promise.all(Array.from({ length: count }, () => harness.open(options)));

/** One partition's batches, one after the other. */
async function commitAll(store: EventStore, partition: number, batches: readonly (readonly BatchRecord[])[]) {
  let progress = await store.claim(claimOf(partition));
  for (const records of batches) ({ progress } = await commitBatch(store, progress, records));
}

describe('workers at the same store', () => {
  it('store each id once, however their partitions share ids', async () => {
    const seed = testSeed();
    const random = createRandom(seed);
    const stores = await openStores(2);
    const events = eventsOf(1_500);
    // Each partition has all of them, in an order of its own: no batch goes without a race.
    const partitions = [0, 1, 2, 3, 4, 5].map((partition) => {
      const shuffled = events
        .map((event) => ({ event, place: random.next() }))
        .sort((a, b) => a.place - b.place)
        .map(({ event }) => event);
      const batches = [0, 1, 2, 3, 4].map((n) => shuffled.slice(n * 300, n * 300 + 300));
      return commitAll(stores[partition % 2]!, partition, batches);
    });
    await Promise.all(partitions);
    const outcomes = (await stores[0]!.progress(storeConsumer)).map((row) => row.outcomes);
    const sum = (name: 'stored' | 'duplicate') => outcomes.reduce((total, row) => total + row[name], 0);
    expect([sum('stored'), sum('duplicate')], `seed ${seed}`).toEqual([1_500, 5 * 1_500]);
    await expectClean(stores[0]!);
  });

  it('decide about a conflict by what the faster one stored', async () => {
    const stores = await openStores(2);
    const events = eventsOf(300);
    const others = events.map((event) => ({ ...event, payloadJson: '{"amount":2}' }));
    await Promise.all([commitAll(stores[0]!, 0, [events]), commitAll(stores[1]!, 1, [others.toReversed()])]);
    const outcomes = (await stores[0]!.progress(storeConsumer)).map((row) => row.outcomes);
    expect(outcomes.map(({ stored, failed }) => stored + failed)).toEqual([300, 300]);
    expect(outcomes.map(({ stored }) => stored).reduce((a, b) => a + b)).toBe(300);
    await expectClean(stores[0]!);
  });

  it('name no more types than may be named, and all the same ones', async () => {
    const stores = await openStores(4, { eventTypesMax: 5 });
    const types = Array.from({ length: 12 }, (_, n) => `type-${n}`);
    await Promise.all(
      stores.map((store, partition) => {
        const own = [...types.slice(partition * 3), ...types.slice(0, partition * 3)];
        const batch = () => own.map((eventType) => eventOf({ eventType }));
        return commitAll(store, partition, [batch(), batch(), batch()]);
      }),
    );
    const named = (await harness.query('SELECT name FROM event_types')).map(({ name }) => name as string);
    expect(named).toHaveLength(5);
    const page = await stores[0]!.events({ limit: 1_000 });
    expect(page.items).toHaveLength(4 * 3 * 12);
    for (const { eventType, countedAs } of page.items) {
      expect(countedAs).toBe(named.includes(eventType) ? eventType : otherEventType);
    }
    await expectClean(stores[0]!);
  });

  it('claim a new partition one after the other', async () => {
    const stores = await openStores(4);
    const claims = await Promise.all(stores.map((store) => store.claim(claimOf(0, 7))));
    expect(claims.map(({ ownerEpoch }) => ownerEpoch).sort()).toEqual([1, 2, 3, 4]);
    expect(new Set(claims.map(({ commitToken }) => commitToken)).size).toBe(1);
    expect(await harness.query('SELECT log_no FROM logs')).toEqual([{ log_no: 1 }]);
    expect(await stores[0]!.progress(storeConsumer)).toHaveLength(1);
  });

  it('commit under the last claim alone', async () => {
    const stores = await openStores(3);
    const claims = await Promise.all(stores.map((store) => store.claim(claimOf())));
    const results = await Promise.all(
      claims.map((progress, n) => stores[n]!.commit(batchOf(progress, eventsOf(20)), decideBatch)),
    );
    const kinds = results.map(({ kind }, n) => [claims[n]!.ownerEpoch, kind]);
    expect(Object.fromEntries(kinds)).toEqual({ 1: 'fenced', 2: 'fenced', 3: 'committed' });
    expect((await progressOf(stores[0]!)).outcomes.stored).toBe(20);
  });

  it('get nothing into a log once another is adopted', async () => {
    const [worker, operator] = await openStores(2);
    const progress = await worker!.claim(claimOf());
    const waiting = (count: number) => async () => {
      const blocked = 'SELECT 1 FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0';
      return (await harness.query(blocked)).length === count;
    };
    const { first, adopted } = await withPostgres(url(), async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM progress FOR UPDATE');
      const first = worker!.commit(batchOf(progress, eventsOf(10)), decideBatch);
      await waitUntil('the batch to wait for its row', waiting(1));
      const adopted = operator!.adoptLog('log-b', 1);
      await waitUntil('the operator to wait for the batch', waiting(2));
      await holder.query('ROLLBACK');
      return { first, adopted };
    });
    // What was under way ends first; what comes later is too late.
    expect(await first).toMatchObject({ kind: 'committed' });
    expect(await adopted).toBe(2);
    const [before] = (await worker!.ledger(storeConsumer)).partitions;
    expect(before).toMatchObject({ logNo: 1, nextOffset: 10 });
    const late = await worker!.commit(batchOf(before!, eventsOf(10)), decideBatch);
    expect(late).toEqual({ kind: 'fenced', found: before });
    await expectClean(worker!);
  });

  it('adopt a log once, whoever asks at the same time', async () => {
    const stores = await openStores(3);
    await commitBatch(stores[0]!, await stores[0]!.claim(claimOf()), eventsOf(3));
    expect(await Promise.all(stores.map((store) => store.adoptLog('log-b', 1)))).toEqual([2, 2, 2]);
  });

  it('probe at the same time', async () => {
    const stores = await openStores(3);
    await Promise.all(stores.flatMap((store) => [store.probe(), store.probe()]));
    expect(await harness.query('SELECT id FROM jobs')).toEqual([]);
  });
});
