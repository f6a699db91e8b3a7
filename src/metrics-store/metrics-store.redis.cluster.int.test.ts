import { afterAll, beforeAll } from 'vitest';
import { metricsStoreContract } from '../testing/metrics-store.contract.ts';
import { type RedisCluster, startRedisCluster } from '../testing/stack/redis-cluster.ts';
import { freshPrefix } from '../testing/stack/shared.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';

let cluster: RedisCluster;
const urlOf = ({ nodes }: Pick<RedisCluster, 'nodes'>) =>
  `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;

beforeAll(async () => {
  cluster = await startRedisCluster();
});
afterAll(() => cluster.dispose());

metricsStoreContract('Redis Cluster', async (now) => {
  const store = await createRedisMetricsStore({ url: urlOf(cluster), prefix: freshPrefix(), now });
  return { store, close: () => store.close() };
});
