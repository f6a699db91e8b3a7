import { metricsStoreContract } from '../../testing/metrics-store.contract.ts';
import { freshPrefix, sharedRedisUrl } from '../../testing/stack/shared.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';

metricsStoreContract('Redis', async (now) => {
  const store = await createRedisMetricsStore({ url: await sharedRedisUrl(), prefix: freshPrefix(), now });
  return { store, close: () => store.close() };
});
