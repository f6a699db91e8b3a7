import { bucketAt, middleOf } from '../domain/histogram.ts';
import { rollupSteps, stepStart } from '../domain/rollup.ts';
import { addAll, type Counters, createCounters } from './counters.ts';
import type { MetricsGrid } from './metrics-grid.ts';
import { type LatencyQuantiles, type MetricsReading, type MetricsWindow, metricsWindows } from './metrics-store.ts';

/**
 * Reads one window of a grid. The window is whole steps, the last of which holds `now`, so it moves by a step at a time
 * and a total is always the sum of what its series shows.
 */
export function readWindow(grid: MetricsGrid, window: MetricsWindow, now: number): MetricsReading {
  const { lengthMs, stepMs } = metricsWindows[window];
  const to = stepStart(now, stepMs) + stepMs;
  const steps = grid.steps.get(stepMs)!;

  const sums = { stored: 0, duplicate: 0, failed: 0, clockSkewed: 0 };
  const types = createCounters(grid.types.names.length);
  const latencies = createCounters();
  const series: MetricsReading['series'][number][] = [];
  for (let at = to - lengthMs; at < to; at += stepMs) {
    const counts = steps.get(at);
    if (counts === undefined) {
      series.push({ at, count: 0, ...noQuantiles });
      continue;
    }
    sums.stored += counts.stored;
    sums.duplicate += counts.duplicate;
    sums.failed += counts.failed;
    sums.clockSkewed += counts.clockSkewed;
    addAll(types, counts.types);
    addAll(latencies, counts.latencies);
    series.push({ at, count: counts.stored, ...quantilesOf(counts.latencies) });
  }

  return {
    total: sums.stored,
    duplicates: sums.duplicate,
    failed: sums.failed,
    clockSkewed: sums.clockSkewed,
    byType: ranked(types, grid.types.names),
    ratePerSecond: rateOf(grid, now),
    latencyMs: quantilesOf(latencies),
    stepMs,
    series,
    allTime: {
      total: sumOf(grid.totals.stored),
      duplicates: sumOf(grid.totals.duplicate),
      failed: sumOf(grid.totals.failed),
      byType: ranked(grid.totals.stored, grid.types.names),
    },
  };
}

export function readWindows(grid: MetricsGrid, now: number): Readonly<Record<MetricsWindow, MetricsReading>> {
  const windows = Object.keys(metricsWindows) as MetricsWindow[];
  const readings = windows.map((window) => [window, readWindow(grid, window, now)] as const);
  return Object.fromEntries(readings) as Record<MetricsWindow, MetricsReading>;
}

/** Events stored in the last whole 10 s step, per second. */
function rateOf(grid: MetricsGrid, now: number): number {
  const { fineMs } = rollupSteps;
  const lastWhole = stepStart(now, fineMs) - fineMs;
  return (grid.steps.get(fineMs)!.get(lastWhole)?.stored ?? 0) / (fineMs / 1000);
}

function sumOf({ values }: Counters): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

function ranked({ values }: Counters, names: readonly string[]): { eventType: string; count: number }[] {
  const rows: { eventType: string; count: number }[] = [];
  for (let type = 0; type < values.length; type += 1) {
    if (values[type]! > 0) rows.push({ eventType: names[type]!, count: values[type]! });
  }
  return rows.sort((a, b) => b.count - a.count || (a.eventType < b.eventType ? -1 : 1));
}

const noQuantiles: LatencyQuantiles = { p50: null, p95: null, p99: null };

/** In one pass; the ranks are those of `quantile` in domain/histogram.ts. */
function quantilesOf(latencies: Counters): LatencyQuantiles {
  const total = sumOf(latencies);
  if (total === 0) return noQuantiles;
  const { values } = latencies;
  let index = -1;
  let seen = 0;
  const valueAt = (q: number): number => {
    const rank = q * (total - 1);
    while (seen <= rank) {
      index += 1;
      seen += values[index]!;
    }
    return middleOf(bucketAt(index));
  };
  return { p50: valueAt(0.5), p95: valueAt(0.95), p99: valueAt(0.99) };
}
