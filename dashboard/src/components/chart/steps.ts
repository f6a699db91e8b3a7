import type { MetricsView } from '../../../../src/http/contract.ts';

/** One step of the series as the charts show it. */
export interface Step {
  /** Milliseconds since the epoch: the beginning of the step. */
  readonly at: number;
  readonly count: number;
  readonly perSecond: number;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  /** It is not over: its rate may still fall. */
  readonly isRunning: boolean;
}

/** Of the step that is not over yet, the share that must have passed before its rate says anything. */
const shareNeeded = 0.3;

/** That long says something of any step: of one of an hour nobody waits 18 minutes for what happens now. */
const enoughMs = 10_000;

/**
 * The step that holds now is counted over the time it has lasted so far. At its very beginning it is left out, or every
 * step would begin with a dip; but after a quiet step it is shown at once, since there a first event is news.
 */
export function stepsOf(metrics: Pick<MetricsView, 'series' | 'step_seconds' | 'as_of'>): readonly Step[] {
  const now = Date.parse(metrics.as_of);
  const stepMs = metrics.step_seconds * 1_000;
  const leastMs = Math.min(stepMs * shareNeeded, enoughMs);
  const steps: Step[] = [];
  for (const { at, count, p50, p95, p99 } of metrics.series) {
    const start = Date.parse(at);
    const lastedMs = Math.min(stepMs, now - start);
    const isFlowing = (steps.at(-1)?.count ?? 0) > 0;
    if (lastedMs < leastMs && (isFlowing || count === 0)) continue;
    const perSecond = (count * 1_000) / Math.max(leastMs, lastedMs);
    steps.push({ at: start, count, perSecond, p50, p95, p99, isRunning: lastedMs < stepMs });
  }
  return steps;
}
