import { addTo, bucketOf, type Histogram, quantile } from '../domain/histogram.ts';
import { oldestKept, stepLengths } from '../domain/metrics-steps.ts';
import { createRollupBuilder, type RollupDelta, stepStart } from '../domain/rollup.ts';
import {
  type MetricsReading,
  type MetricsSnapshot,
  type MetricsWindow,
  metricsWindows,
} from '../metrics-store/metrics-store.ts';
import { columnsOf } from './metrics-columns.ts';
import type { Random } from './random.ts';

/** One record, as a plain count sees it. */
export interface Happened {
  readonly partition: number;
  readonly outcome: 'stored' | 'duplicate' | 'failed';
  readonly eventType: string;
  readonly receivedAt: number;
  /** Null where it was a redrive, which is left out. */
  readonly latencyMs: number | null;
}

const minuteMs = 60_000;
const hourMs = 3_600_000;

export function happenings(random: Random, now: number): Happened[] {
  return Array.from({ length: 1 + random.below(30) }, () => ({
    partition: random.below(3),
    outcome: random.pick(['stored', 'stored', 'stored', 'duplicate', 'failed'] as const),
    eventType: random.pick(['a', 'b', 'c', '(other)']),
    // Another producer's clock may be ahead.
    receivedAt:
      now - random.below(random.pick([-3 * hourMs, 1_000, 2 * minuteMs, 40 * minuteMs, 20 * hourMs, 7 * 24 * hourMs])),
    latencyMs: random.pick([null, -40, 0, random.below(50), random.below(5_000)]),
  }));
}

export function deltaOf(happened: readonly Happened[]): RollupDelta {
  const rollups = createRollupBuilder();
  for (const { outcome, eventType, receivedAt, latencyMs } of happened) {
    rollups.count(outcome, receivedAt, eventType);
    if (outcome === 'stored' && latencyMs !== null) rollups.latency(receivedAt, receivedAt + latencyMs);
  }
  return rollups.build();
}

/** The watermark after so many updates. */
export const mark = (round: number) => ({ logNo: 1, nextOffset: round, commitToken: `t${round}` });

/** What the event store would answer for this partition. */
export function snapshotOf(
  happened: readonly Happened[],
  partition: number,
  round: number,
  now: number,
): MetricsSnapshot {
  const own = happened.filter((one) => one.partition === partition);
  const reached = own.filter(({ receivedAt }) => receivedAt >= oldestKept(now));
  const lengthOf = stepLengths(now);
  const ofSteps = Map.groupBy(reached, ({ receivedAt }) => {
    const stepMs = lengthOf(receivedAt);
    return `${stepMs}:${stepStart(receivedAt, stepMs)}`;
  });
  const steps = [...ofSteps].map(([key, ofStep]) => {
    const [stepMs, at] = key.split(':').map(Number);
    return { stepMs: stepMs!, at: at!, ofStep };
  });
  return {
    partition,
    watermark: mark(round),
    totals: totalsOf(own),
    ...columnsOf(steps.flatMap(({ stepMs, at, ofStep }) => totalsOf(ofStep).map((row) => ({ ...row, stepMs, at })))),
    latencies: steps.map(({ stepMs, at, ofStep }) => {
      return { stepMs, at, histogram: [...histogramOf(ofStep)], clockSkewed: skewedOf(ofStep) };
    }),
  };
}

function totalsOf(happened: readonly Happened[]) {
  return [...Map.groupBy(happened, ({ eventType }) => eventType)].map(([eventType, ofType]) => {
    const count = (outcome: Happened['outcome']) => ofType.filter((one) => one.outcome === outcome).length;
    return { eventType, stored: count('stored'), duplicate: count('duplicate'), failed: count('failed') };
  });
}

function measured(happened: readonly Happened[]): number[] {
  return happened.flatMap(({ outcome, latencyMs }) => (outcome === 'stored' && latencyMs !== null ? [latencyMs] : []));
}

function histogramOf(happened: readonly Happened[]): Histogram {
  const histogram: Histogram = new Map();
  for (const latencyMs of measured(happened)) addTo(histogram, bucketOf(latencyMs));
  return histogram;
}

const skewedOf = (happened: readonly Happened[]) => measured(happened).filter((latencyMs) => latencyMs < 0).length;

function quantilesOf(happened: readonly Happened[]) {
  const histogram = histogramOf(happened);
  return { p50: quantile(histogram, 0.5), p95: quantile(histogram, 0.95), p99: quantile(histogram, 0.99) };
}

/** The contract in its plainest form: every number by going through all that happened. */
export function countPlainly(happened: readonly Happened[], window: MetricsWindow, now: number): MetricsReading {
  const { lengthMs, stepMs } = metricsWindows[window];
  const to = stepStart(now, stepMs) + stepMs;
  const between = (from: number, until: number) =>
    happened.filter(({ receivedAt }) => receivedAt >= from && receivedAt < until);
  const storedOf = (some: readonly Happened[]) => some.filter(({ outcome }) => outcome === 'stored').length;
  const sums = (some: readonly Happened[]) => {
    const rows = totalsOf(some);
    const byType = rows
      .filter(({ stored }) => stored > 0)
      .map(({ eventType, stored: count }) => ({ eventType, count }));
    return {
      total: storedOf(some),
      duplicates: rows.reduce((sum, { duplicate }) => sum + duplicate, 0),
      failed: rows.reduce((sum, { failed }) => sum + failed, 0),
      byType: byType.sort((a, b) => b.count - a.count || (a.eventType < b.eventType ? -1 : 1)),
    };
  };
  const inWindow = between(to - lengthMs, to);
  const lastWhole = stepStart(now, 10_000) - 10_000;
  return {
    ...sums(inWindow),
    ratePerSecond: storedOf(between(lastWhole, lastWhole + 10_000)) / 10,
    latencyMs: quantilesOf(inWindow),
    stepMs,
    series: Array.from({ length: lengthMs / stepMs }, (_, index) => {
      const at = to - lengthMs + index * stepMs;
      const inStep = between(at, at + stepMs);
      return { at, count: storedOf(inStep), ...quantilesOf(inStep) };
    }),
    allTime: sums(happened),
    clockSkewed: skewedOf(inWindow),
  };
}
