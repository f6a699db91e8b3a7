import { expect, it } from 'vitest';
import { encodeRecord } from '../../domain/record-codec.ts';
import { createMemoryMetricsStore } from '../../metrics-store/memory/metrics-store.memory.ts';
import { claimOf, commitBatch, eventOf, eventsOf, startAt } from '../../testing/event-store.batches.ts';
import { scriptedLog } from '../../testing/scripted-log.ts';
import { temporaryStore } from '../../testing/temporary-store.ts';
import { createOperations } from './operations.ts';

async function setUp() {
  const store = await temporaryStore();
  const log = scriptedLog(2);
  const metrics = createMemoryMetricsStore({ now: () => startAt });
  /** `set`: by how much the wall clock was set; `now` has it. */
  const clock = { now: startAt, set: 0 };
  const operations = createOperations({
    log,
    store,
    metrics,
    redrive: {
      start: async () => ({ job: null, matched: 0, skipped: 0, taken: 0 }),
      isRunning: () => false,
      drain: async () => undefined,
    },
    halted: () => new Map([[1, { message: 'x is not a function' }]]),
    verify: async () => [],
    now: () => clock.now,
    elapsed: () => clock.now - startAt - clock.set,
  });
  return { store, log, metrics, operations, clock };
}

it('rebuilds the metrics of every partition, also while they change', async () => {
  const { store, metrics, operations } = await setUp();
  await commitBatch(store, await store.claim(claimOf(0)), eventsOf(3));
  await commitBatch(store, await store.claim(claimOf(1)), eventsOf(2));
  const { rebuild } = metrics;
  let refusals = 2;
  metrics.rebuild = async (snapshot, expected) => (refusals-- > 0 ? false : rebuild(snapshot, expected));
  expect(await operations.rebuildMetrics()).toBe(2);
  expect((await metrics.read('1h', startAt)).total).toBe(5);
});

it('gives up on a partition that never holds still, and says so', async () => {
  const { store, metrics, operations } = await setUp();
  await commitBatch(store, await store.claim(claimOf(0)), eventsOf(3));
  metrics.rebuild = async () => false;
  await expect(operations.rebuildMetrics()).rejects.toThrow(/^Partition 0 stores batches faster/);
});

it('tells in the ledger which partitions are halted', async () => {
  const { operations } = await setUp();
  expect((await operations.ledger()).halted).toEqual(new Map([[1, 'x is not a function']]));
});

it('tells the lag by when the oldest unread record was received, and none where all was read', async () => {
  const { log, operations, clock } = await setUp();
  expect(await operations.lagSeconds()).toBe(0);
  log.put(1, [encodeRecord(eventOf({ receivedAt: startAt - 2_500 }))]);
  clock.now += 1_000;
  expect(await operations.lagSeconds()).toBe(3.5);
  await log.trim(1, 1);
  log.put(1, [encodeRecord(eventOf({ receivedAt: clock.now + 60_000 }))], clock.now);
  clock.now += 1_000;
  expect(await operations.lagSeconds()).toBe(0);
});

it('looks at the lag anew also when the clock has been set back', async () => {
  const { log, operations, clock } = await setUp();
  expect(await operations.lagSeconds()).toBe(0);
  clock.set = -3_600_000;
  clock.now += clock.set + 1_000;
  log.put(1, [encodeRecord(eventOf({ receivedAt: clock.now - 2_500 }))]);
  expect(await operations.lagSeconds()).toBe(2.5);
});
