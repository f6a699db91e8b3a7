import { expect, it, onTestFinished } from 'vitest';
import { createMetricsFeeding } from '../testing/metrics-feeding.ts';
import { createTestClient } from '../testing/redis-client.ts';
import { freshPrefix, sharedRedisUrl } from '../testing/stack/shared.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';
import { verifyMetrics } from './verify-metrics.ts';

const partitions = [0, 1];

async function setUp() {
  const url = await sharedRedisUrl();
  const prefix = freshPrefix('verify');
  const open = async () => {
    const store = await createRedisMetricsStore({ url, prefix, now: Date.now });
    onTestFinished(() => store.close());
    return store;
  };
  const client = await createTestClient(url);
  onTestFinished(() => client.destroy());
  const store = await open();
  const feeding = createMetricsFeeding(store, partitions, Date.now);
  for (let batch = 0; batch < 6; batch += 1) feeding.push(batch % 2);
  await feeding.untilExact();
  const verify = async () =>
    verifyMetrics({
      metrics: await open(),
      partitions: [...partitions, 2],
      snapshot: async (partition) => (partition === 2 ? null : feeding.snapshot(partition)),
      now: Date.now,
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
  const found = (await verify())!;
  expect(found.map(({ message }) => message)).toContain('all time, stored: the metrics say 61, the store says 60');
  expect(
    found.some(({ message }) => /^all time, type .*: the metrics say \d+, the store says \d+$/.test(message)),
  ).toBe(true);
});

it('finds a step that is gone', async () => {
  const { client, verify, keyOf } = await setUp();
  await client.send('DEL', await keyOf(0, /:3600:\d+$/));
  const found = (await verify())!;
  expect(found.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/^7d, stored: the metrics say \d+, the store/),
  );
});

it('says nothing where updates come in between all the time', async () => {
  const { feeding, verify, store } = await setUp();
  const stopped = new AbortController();
  const updating = (async () => {
    while (!stopped.signal.aborted) await store.apply(feeding.commit(0));
  })();
  expect(await verify()).toSatisfy((found: unknown) => found === null || (Array.isArray(found) && found.length === 0));
  stopped.abort();
  await updating;
  expect(await verify()).toEqual([]);
});
