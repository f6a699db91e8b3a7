import type { HistogramPairs } from '../../domain/histogram.ts';
import type { RollupDelta } from '../../domain/rollup.ts';
import { createTypeNumbers } from '../metrics-grid.ts';
import type { MetricsUpdate, MetricsWatermark } from '../metrics-store.ts';

/** One update as the journal keeps it, for readers to catch up by. */
export interface JournalEntry {
  readonly previousToken: string;
  readonly watermark: MetricsWatermark;
  readonly delta: RollupDelta;
}

type Row = readonly [at: number, type: number, stored: number, duplicate: number, failed: number];
type Entry = readonly [
  previousToken: string,
  watermark: MetricsWatermark,
  types: readonly string[],
  counts: readonly Row[],
  latencies: readonly (readonly [at: number, clockSkewed: number, histogram: HistogramPairs])[],
];

export function encodeEntry({ previousToken, watermark, delta }: Omit<MetricsUpdate, 'recent' | 'partition'>): string {
  const { logNo, nextOffset, commitToken } = watermark;
  const types = createTypeNumbers();
  const counts = delta.counts.map(({ at, eventType, stored, duplicate, failed }): Row => {
    return [at, types.numberOf(eventType), stored, duplicate, failed];
  });
  const latencies = delta.latencies.map(({ at, clockSkewed, histogram }) => [at, clockSkewed, histogram] as const);
  const entry: Entry = [previousToken, { logNo, nextOffset, commitToken }, types.names, counts, latencies];
  return JSON.stringify(entry);
}

export function decodeEntry(text: string): JournalEntry {
  const [previousToken, watermark, types, counts, latencies] = JSON.parse(text) as Entry;
  return {
    previousToken,
    watermark,
    delta: {
      counts: counts.map(([at, type, stored, duplicate, failed]) => {
        return { at, eventType: types[type]!, stored, duplicate, failed };
      }),
      latencies: latencies.map(([at, clockSkewed, histogram]) => ({ at, clockSkewed, histogram })),
    },
  };
}
