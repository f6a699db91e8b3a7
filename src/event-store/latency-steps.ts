import { type Histogram, type HistogramPairs, mergeInto } from '../domain/histogram.ts';
import { stepStart } from '../domain/rollup.ts';
import type { RollupLatencyRow } from './event-store.ts';

export interface LatencyRow {
  readonly at: number;
  /** JSON of [bucket, count] pairs. */
  readonly histogram: string;
  readonly clock_skewed: number;
}

/** Rows of steps up to `stepMs`, added up in steps of that length. */
export function mergeLatencies(rows: readonly LatencyRow[], stepMs: number): RollupLatencyRow[] {
  const steps = new Map<number, { histogram: Histogram; clockSkewed: number }>();
  for (const row of rows) {
    const at = stepStart(row.at, stepMs);
    let step = steps.get(at);
    if (step === undefined) steps.set(at, (step = { histogram: new Map(), clockSkewed: 0 }));
    mergeInto(step.histogram, JSON.parse(row.histogram) as HistogramPairs);
    step.clockSkewed += row.clock_skewed;
  }
  return [...steps].map(([at, { histogram, clockSkewed }]) => ({
    stepMs,
    at,
    histogram: [...histogram].sort((a, b) => a[0] - b[0]),
    clockSkewed,
  }));
}
