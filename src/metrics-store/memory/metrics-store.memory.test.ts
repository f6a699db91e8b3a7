import { metricsStoreContract } from '../../testing/metrics-store.contract.ts';
import { createMemoryMetricsStore } from './metrics-store.memory.ts';

metricsStoreContract('memory', async (now) => {
  const store = createMemoryMetricsStore({ now });
  return { store, close: () => store.close() };
});
