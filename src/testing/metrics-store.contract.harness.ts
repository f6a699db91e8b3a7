import type { MetricsStore } from '../metrics-store/metrics-store.ts';

export interface MetricsStoreHarness {
  readonly store: MetricsStore;
  close(): Promise<void>;
}
