import { createCluster } from 'redis';
import { describe, expect, it } from 'vitest';
import { startRedisCluster } from './redis-cluster.ts';

const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`);

describe('Redis Cluster of the native stack', () => {
  it('spreads the keys over three primaries, and keeps them over a kill of one', async () => {
    await using cluster = await startRedisCluster({ settings: { appendfsync: 'always' } });
    const client = createCluster({ rootNodes: cluster.urls.map((url) => ({ url })) });
    client.on('error', () => {});
    await client.connect();
    try {
      await Promise.all(keys.map((key) => client.set(key, `value of ${key}`)));
      expect(client.masters).toHaveLength(3);
      const sizes = await Promise.all(client.masters.map(async (master) => (await client.nodeClient(master)).dbSize()));
      expect(sizes.reduce((sum, size) => sum + size)).toBe(keys.length);
      expect(Math.min(...sizes)).toBeGreaterThan(0);

      await cluster.nodes[1]!.kill();
      await cluster.nodes[1]!.start();
      await cluster.untilOk();
      const values = await Promise.all(keys.map((key) => client.get(key)));
      expect(values).toEqual(keys.map((key) => `value of ${key}`));
    } finally {
      client.destroy();
    }
  });
});
