import { expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import type { EventStore } from '../event-store/event-store.ts';
import { createMemoryMetricsStore } from '../metrics-store/memory/metrics-store.memory.ts';
import type { MetricsStore } from '../metrics-store/metrics-store.ts';
import { claimOf, commitBatch, eventsOf, rejectedOf, startAt } from '../testing/event-store.batches.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { compareMetrics } from './verify-metrics.ts';

const now = startAt + 60_000;

/** Two partitions in a store, and metrics that were rebuilt from it. */
async function setUp() {
  const store = await temporaryStore();
  for (const partition of [0, 1]) {
    const { progress } = await commitBatch(store, await store.claim(claimOf(partition)), eventsOf(3));
    await commitBatch(store, progress, [rejectedOf()]);
  }
  const metrics = createMemoryMetricsStore({ now: () => now });
  async function rebuild(partition: number): Promise<void> {
    const snapshot = await store.partitionMetrics('store', partition, now);
    await metrics.rebuild(snapshot!, await metrics.watermark(partition));
  }
  for (const partition of [0, 1]) await rebuild(partition);
  const hooks = { pauses: 0, onPause: async () => undefined as unknown };
  const compare = (overrides: { store?: EventStore; metrics?: Pick<MetricsStore, 'readPartition'> } = {}) =>
    compareMetrics({
      store,
      metrics,
      createReference: () => createMemoryMetricsStore({ now: () => now }),
      now: () => now,
      async pause() {
        hooks.pauses += 1;
        await hooks.onPause();
      },
      ...overrides,
    });
  return { store, metrics, rebuild, compare, hooks };
}

it('finds nothing where the metrics are what the store says', async () => {
  const { compare, hooks } = await setUp();
  expect(await compare()).toEqual([]);
  expect(hooks.pauses).toBe(0);
});

it('finds a counter that was changed, and says where', async () => {
  const { metrics, compare } = await setUp();
  const tampered: Pick<MetricsStore, 'readPartition'> = {
    async readPartition(partition, at) {
      const found = (await metrics.readPartition(partition, at))!;
      if (partition !== 1) return found;
      const day = { ...found.windows['24h'], total: 4 };
      const short = { ...found.windows['15m'], allTime: { ...found.windows['15m'].allTime, failed: 7 } };
      return { ...found, windows: { ...found.windows, '24h': day, '15m': short } };
    },
  };
  expect(await compare({ metrics: tampered })).toEqual([
    { code: 'metrics_differ', message: 'Partition 1, failed in all time: 7 in the metrics, 1 in the store.' },
    { code: 'metrics_differ', message: 'Partition 1, stored in the last 24h: 4 in the metrics, 3 in the store.' },
  ]);
});

it('looks again where a batch has landed in between', async () => {
  const { store, rebuild, compare, hooks } = await setUp();
  await commitBatch(store, await store.claim(claimOf(0)), eventsOf(1), { expectedOffset: 4 });
  hooks.onPause = () => rebuild(0);
  expect(await compare()).toEqual([]);
  expect(hooks.pauses).toBe(1);
});

it('says so where the metrics never come up to the store', async () => {
  const { store, compare } = await setUp();
  await commitBatch(store, await store.claim(claimOf(0)), eventsOf(1));
  const found = await compare();
  expect(found).toMatchObject([
    { code: 'metrics_behind', message: expect.stringMatching(/offset 4, behind the store/) },
  ]);
  const nothing = await compare({ metrics: { readPartition: async () => null } });
  expect(nothing.map(({ message }) => message)).toEqual([
    expect.stringMatching(/Partition 0: the metrics have nothing of it/),
    expect.stringMatching(/Partition 1: the metrics have nothing of it/),
  ]);
});

it('waits for all partitions at once', async () => {
  const { compare, hooks } = await setUp();
  expect(await compare({ metrics: { readPartition: async () => null } })).toHaveLength(2);
  expect(hooks.pauses).toBe(limits.verifyLooksMax - 1);
});
