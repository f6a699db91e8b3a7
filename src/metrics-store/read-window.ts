import { type Histogram, mergeInto, quantile } from '../domain/histogram.ts';
import { rollupSteps, stepStart } from '../domain/rollup.ts';
import type { MetricsGrid, StepCounts } from './metrics-grid.ts';
import {
  type LatencyQuantiles,
  type MetricsReading,
  type MetricsTotals,
  type MetricsWindow,
  metricsWindows,
} from './metrics-store.ts';

/**
 * Reads one window of a grid. The window is whole steps, the last of which holds `now`, so it moves by a step at a time and
 * a total is always the sum of what its series shows.
 */
export function readWindow(grid: MetricsGrid, window: MetricsWindow, now: number): MetricsReading {
  const { lengthMs, stepMs } = metricsWindows[window];
  const to = stepStart(now, stepMs) + stepMs;
  const from = to - lengthMs;
  const sourceStepMs = resolutionFor(stepMs);
  const source = grid.steps.get(sourceStepMs)!;

  const whole: Histogram = new Map();
  const sums = { stored: 0, duplicate: 0, failed: 0, clockSkewed: 0 };
  const series: MetricsReading['series'][number][] = [];
  for (let at = from; at < to; at += stepMs) {
    const histogram: Histogram = new Map();
    let count = 0;
    for (let part = at; part < at + stepMs; part += sourceStepMs) {
      const counts = source.get(part);
      if (counts === undefined) continue;
      count += counts.stored;
      sums.stored += counts.stored;
      sums.duplicate += counts.duplicate;
      sums.failed += counts.failed;
      sums.clockSkewed += counts.clockSkewed;
      mergeInto(histogram, counts.histogram);
    }
    mergeInto(whole, histogram);
    series.push({ at, count, ...quantilesOf(histogram) });
  }

  return {
    total: sums.stored,
    duplicates: sums.duplicate,
    failed: sums.failed,
    clockSkewed: sums.clockSkewed,
    byType: ranked(typesBetween(grid, sourceStepMs, from, to)),
    ratePerSecond: rateOf(grid, now),
    latencyMs: quantilesOf(whole),
    stepMs,
    series,
    allTime: allTimeOf(grid.totals.values()),
  };
}

/** The coarsest kept resolution that divides the step. */
function resolutionFor(stepMs: number): number {
  if (stepMs % rollupSteps.hourMs === 0) return rollupSteps.hourMs;
  return stepMs % rollupSteps.minuteMs === 0 ? rollupSteps.minuteMs : rollupSteps.fineMs;
}

/** Whole hours inside a window are read as hours: a day is then 23 + 60 steps instead of 1,440, which counts with many types. */
function typesBetween(grid: MetricsGrid, sourceStepMs: number, from: number, to: number): Map<string, number> {
  const types = new Map<string, number>();
  const { hourMs } = rollupSteps;
  let at = from;
  while (at < to) {
    const isWholeHour = at % hourMs === 0 && at + hourMs <= to;
    const stepMs = isWholeHour ? hourMs : sourceStepMs;
    addTypes(types, grid.steps.get(stepMs)!.get(at));
    at += stepMs;
  }
  return types;
}

function addTypes(types: Map<string, number>, counts: StepCounts | undefined): void {
  if (counts === undefined) return;
  for (const [type, count] of counts.byType) types.set(type, (types.get(type) ?? 0) + count);
}

/** Events stored in the last whole 10 s step, per second. */
function rateOf(grid: MetricsGrid, now: number): number {
  const { fineMs } = rollupSteps;
  const lastWhole = stepStart(now, fineMs) - fineMs;
  return (grid.steps.get(fineMs)!.get(lastWhole)?.stored ?? 0) / (fineMs / 1000);
}

function allTimeOf(totals: Iterable<MetricsTotals>): MetricsReading['allTime'] {
  const types = new Map<string, number>();
  let total = 0;
  let duplicates = 0;
  let failed = 0;
  for (const row of totals) {
    total += row.stored;
    duplicates += row.duplicate;
    failed += row.failed;
    if (row.stored > 0) types.set(row.eventType, row.stored);
  }
  return { total, duplicates, failed, byType: ranked(types) };
}

function ranked(types: ReadonlyMap<string, number>): { eventType: string; count: number }[] {
  const rows = [...types].map(([eventType, count]) => ({ eventType, count }));
  return rows.sort((a, b) => b.count - a.count || (a.eventType < b.eventType ? -1 : 1));
}

function quantilesOf(histogram: Histogram): LatencyQuantiles {
  return { p50: quantile(histogram, 0.5), p95: quantile(histogram, 0.95), p99: quantile(histogram, 0.99) };
}
