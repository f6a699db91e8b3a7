import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { createMetricsFeeding } from '../../testing/metrics-feeding.ts';
import { metricsStoreContract } from '../../testing/metrics-store.contract.ts';
import { createTestClient } from '../../testing/redis-client.ts';
import type { RedisServer } from '../../testing/stack/redis.ts';
import { type RedisCluster, startRedisCluster } from '../../testing/stack/redis-cluster.ts';
import { freshPrefix } from '../../testing/stack/shared.ts';
import type { MetricsChange } from '../metrics-store.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';
import { slotOf } from './slot.ts';

let cluster: RedisCluster;
const partitions = [0, 1, 2, 3, 4, 5, 6, 7];

beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.dispose());

function urlOf(nodes: readonly RedisServer[] = cluster.nodes): string {
  return `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
}

metricsStoreContract('Redis Cluster', async (now) => {
  const store = await createRedisMetricsStore({ url: urlOf(), prefix: freshPrefix(), now });
  return { store, close: () => store.close() };
});

async function setUp(url = urlOf()) {
  const prefix = freshPrefix('cluster');
  const open = async (at: string) => {
    const store = await createRedisMetricsStore({ url: at, prefix, now: Date.now });
    onTestFinished(() => store.close());
    return store;
  };
  const [worker, reader] = [await open(url), await open(url)];
  const feeding = createMetricsFeeding(worker, partitions, Date.now);
  for (const partition of partitions) feeding.push(partition);
  await feeding.untilExact(reader);
  feeding.rebuilt.length = 0;
  return { prefix, worker, reader, feeding, open };
}

async function ask<Reply>({ url }: RedisServer, ...command: string[]): Promise<Reply> {
  const client = await createTestClient(url);
  try {
    return await client.send<Reply>(...command);
  } finally {
    client.destroy();
  }
}

/** The node that holds a partition, and the others. */
async function placeOf(prefix: string, partition: number) {
  const slot = slotOf(`{${prefix}:${partition}}`);
  const ranges = await ask<[number, number, [string, number]][]>(cluster.nodes[0]!, 'CLUSTER', 'SLOTS');
  const port = ranges.find(([from, to]) => from <= slot && slot <= to)![2][1];
  const owner = cluster.nodes.find((node) => node.port === port)!;
  return { slot, owner, others: cluster.nodes.filter((node) => node !== owner) };
}

describe('Redis Cluster', () => {
  it('keeps all of a partition in one slot, and spreads partitions', async () => {
    const { prefix } = await setUp();
    const owners = new Set<number>();
    for (const partition of partitions) {
      const { owner } = await placeOf(prefix, partition);
      owners.add(owner.port);
      const keys = await ask<string[]>(owner, 'KEYS', `{${prefix}:${partition}}:*`);
      expect(keys.length).toBeGreaterThan(5);
    }
    expect(owners.size).toBeGreaterThan(1);
  });

  it('is found by any one of its nodes', async () => {
    const { reader, feeding, open } = await setUp();
    const store = await open(urlOf(cluster.nodes.slice(2)));
    expect((await store.read('15m', Date.now())).allTime).toEqual((await reader.read('15m', Date.now())).allTime);
    expect((await store.read('15m', Date.now())).allTime).toEqual(feeding.plain());
  });

  it('brings live updates of every partition to every process', async () => {
    const { reader, feeding } = await setUp();
    const heard = new Set<number>();
    const changes: MetricsChange[] = [];
    reader.subscribe((change) => changes.push(change));
    await expect.poll(() => new Set(changes.map(({ partition }) => partition)).size, { timeout: 10_000 }).toBe(8);
    changes.length = 0;
    for (const partition of partitions) feeding.push(partition);
    await expect
      .poll(
        () => {
          for (const { partition, watermark } of changes) {
            if (watermark.commitToken === feeding.mark(partition).commitToken) heard.add(partition);
          }
          return heard.size;
        },
        { timeout: 10_000 },
      )
      .toBe(partitions.length);
  });

  it('moves a slot under a partition: it is followed, and nothing has to be rebuilt', async () => {
    const { prefix, worker, reader, feeding } = await setUp();
    const { slot, owner, others } = await placeOf(prefix, 3);
    const target = others[0]!;
    const [ownerId, targetId] = [
      await ask<string>(owner, 'CLUSTER', 'MYID'),
      await ask<string>(target, 'CLUSTER', 'MYID'),
    ];
    await ask(target, 'CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', ownerId);
    await ask(owner, 'CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', targetId);
    const keys = await ask<string[]>(owner, 'CLUSTER', 'GETKEYSINSLOT', String(slot), '10000');
    await ask(owner, 'MIGRATE', '127.0.0.1', String(target.port), '', '0', '5000', 'KEYS', ...keys);
    // All keys have moved, the slot has not: the old node sends questions on, but for those of several keys.
    expect(await worker.watermark(3)).toEqual(feeding.mark(3));
    await expect(reader.read('5m', Date.now())).rejects.toThrow(/TRYAGAIN/);
    for (const node of [target, owner, ...others.slice(1)]) {
      await ask(node, 'CLUSTER', 'SETSLOT', String(slot), 'NODE', targetId);
    }
    for (const partition of partitions) feeding.push(partition);
    await feeding.untilExact(reader);
    expect(feeding.rebuilt).toEqual([]);
  });

  it('loses the data of a node: its partitions are rebuilt, the others stand', async () => {
    const { prefix, reader, feeding } = await setUp();
    const { owner } = await placeOf(prefix, 0);
    await ask(owner, 'FLUSHALL');
    await feeding.untilExact(reader);
    expect(feeding.rebuilt.length).toBeGreaterThan(0);
    expect(feeding.rebuilt.length).toBeLessThan(partitions.length);
  });

  it('has a node that is silent: its partitions wait, the others go on, and all is well when it is back', async () => {
    const { prefix, worker, reader, feeding } = await setUp();
    const { owner } = await placeOf(prefix, 0);
    const elsewhere = await Promise.all(
      partitions.map(async (partition) => ({ partition, place: await placeOf(prefix, partition) })),
    ).then((all) => all.find(({ place }) => place.owner !== owner)!.partition);
    owner.suspend();
    try {
      const startedAt = performance.now();
      const failing = expect(worker.apply(feeding.commit(0))).rejects.toThrow(UnavailableError);
      // While that is waited for: the first two seconds, before the cluster itself is down.
      expect(await worker.watermark(elsewhere)).toEqual(feeding.mark(elsewhere));
      await failing;
      await expect(reader.read('5m', Date.now())).rejects.toThrow(UnavailableError);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    } finally {
      owner.resume();
    }
    await cluster.untilOk();
    await feeding.untilExact(reader);
  });

  it('has a node killed and started again: all is well by itself', async () => {
    const { prefix, reader, feeding } = await setUp();
    const changes: MetricsChange[] = [];
    reader.subscribe((change) => changes.push(change));
    const { owner } = await placeOf(prefix, 5);
    await owner.kill();
    for (const partition of partitions) feeding.push(partition);
    await feeding.feed.settle();
    await owner.start();
    await cluster.untilOk();
    await feeding.untilExact(reader);
    feeding.push(5);
    await expect
      .poll(() => changes.some(({ watermark }) => watermark.commitToken === feeding.mark(5).commitToken), {
        timeout: 20_000,
      })
      .toBe(true);
  });
});

describe('the wrong kind of URL', () => {
  it('for a cluster says how to write it', async () => {
    const { owner } = await placeOf('esp', 0);
    const elsewhere = cluster.nodes.find((node) => node !== owner)!;
    const store = await createRedisMetricsStore({ url: elsewhere.url, prefix: 'esp', now: Date.now });
    onTestFinished(() => store.close());
    await expect(store.watermark(0)).rejects.toThrow(/MOVED.*write REDIS_URL as redis\+cluster:\/\//);
  });
});
