import { expect, it, onTestFinished } from 'vitest';
import type { PartitionProgress } from '../../event-store/event-store.ts';
import { pause } from '../../processing/pause.ts';
import { compareMetrics } from '../../processing/verify-metrics.ts';
import { createMetricsFeeding } from '../../testing/metrics-feeding.ts';
import { createTestClient } from '../../testing/redis-client.ts';
import { freshPrefix, sharedRedisUrl } from '../../testing/stack/shared.ts';
import { createMemoryMetricsStore } from '../memory/metrics-store.memory.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';

const partitions = [0, 1];

async function setUp() {
  const url = await sharedRedisUrl();
  const prefix = freshPrefix('verify');
  const store = await createRedisMetricsStore({ url, prefix, now: Date.now });
  onTestFinished(() => store.close());
  const client = await createTestClient(url);
  onTestFinished(() => client.destroy());
  const feeding = createMetricsFeeding(store, partitions, Date.now);
  for (let batch = 0; batch < 6; batch += 1) feeding.push(batch % 2);
  await feeding.untilExact();
  // What this handle has read before, it keeps: that must not hide what was changed since.
  await store.read('24h', Date.now());
  const verify = async () =>
    compareMetrics({
      metrics: store,
      store: {
        progress: async () => [...partitions, 2].map((partition) => ({ partition }) as PartitionProgress),
        partitionMetrics: async (_consumer, partition) => (partition === 2 ? null : feeding.snapshot(partition)),
      },
      createReference: () => createMemoryMetricsStore({ now: Date.now }),
      now: Date.now,
      pause,
    });
  const keyOf = async (partition: number, what: RegExp) => {
    const keys = await client.send<string[]>('KEYS', `{${prefix}:${partition}}:*`);
    return keys.find((key) => what.test(key))!;
  };
  return { store, client, feeding, verify, keyOf };
}

it('finds nothing where every number is right', async () => {
  const { store, feeding, verify } = await setUp();
  expect(await verify()).toEqual([]);
  expect(await store.apply(feeding.commit(0))).toBe('applied');
  expect(await verify()).toEqual([]);
});

it('finds a total that was changed by hand, and says by how much', async () => {
  const { client, verify, keyOf } = await setUp();
  // Varints: the first is what was stored of the first type.
  expect(await client.send('SETRANGE', await keyOf(1, /totals$/), '0', '\u0007')).toBeGreaterThan(1);
  const found = await verify();
  expect(found.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/^Partition 1, stored in all time: \d+ in the metrics, \d+ in the store\.$/),
  );
  expect(
    found.some(({ message }) =>
      /, stored of type ".*" in all time: \d+ in the metrics, \d+ in the store\.$/.test(message),
    ),
  ).toBe(true);
});

it('finds a step that is gone', async () => {
  const { client, verify, keyOf } = await setUp();
  await client.send('DEL', await keyOf(0, /:3600:\d+$/));
  const found = await verify();
  expect(found.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/^Partition 0, stored in the last 7d: \d+ in the metrics, \d+ in the store\.$/),
  );
});

it('says nothing against metrics that are right while updates come in all the time', async () => {
  const { feeding, verify, store } = await setUp();
  const stopped = new AbortController();
  const updating = (async () => {
    // Each makes the history longer that the other side is worked out from: so many, not as long as it takes.
    for (let n = 0; n < 300 && !stopped.signal.aborted; n += 1) await store.apply(feeding.commit(0));
  })();
  const found = await verify();
  stopped.abort();
  await updating;
  // Where it never met both at one watermark, it says that.
  expect(found.filter(({ code }) => code !== 'metrics_behind')).toEqual([]);
  expect(await verify()).toEqual([]);
});
