import { type Histogram, mergeInto } from '../domain/histogram.ts';
import { type RollupDelta, rollupSteps, stepStart } from '../domain/rollup.ts';
import type { MetricsSnapshot, MetricsTotals } from './metrics-store.ts';

/** What happened in one step. */
export interface StepCounts {
  stored: number;
  duplicate: number;
  failed: number;
  clockSkewed: number;
  readonly byType: Map<string, number>;
  readonly histogram: Histogram;
}

/**
 * Steps of one length, newest kept. Three resolutions stand side by side, so that every window reads a bounded number of
 * steps: 90 of 10 s, 1,440 minutes or 192 hours.
 */
const resolutions = [
  { stepMs: rollupSteps.fineMs, keptMs: 20 * 60_000 },
  { stepMs: rollupSteps.minuteMs, keptMs: 25 * 3_600_000 },
  { stepMs: rollupSteps.hourMs, keptMs: 8 * 24 * 3_600_000 },
] as const;

export interface MetricsGrid {
  /** Step length → start of step → counts. */
  readonly steps: ReadonlyMap<number, ReadonlyMap<number, StepCounts>>;
  readonly totals: ReadonlyMap<string, MetricsTotals>;
  add(delta: RollupDelta): void;
  load(snapshot: MetricsSnapshot): void;
  merge(other: MetricsGrid): void;
  /** Forgets steps that no window reaches any more. */
  expire(now: number): void;
}

export function createMetricsGrid(): MetricsGrid {
  const steps = new Map<number, Map<number, StepCounts>>(resolutions.map(({ stepMs }) => [stepMs, new Map()]));
  const totals = new Map<string, { eventType: string; stored: number; duplicate: number; failed: number }>();

  function stepAt(stepMs: number, at: number): StepCounts {
    const row = steps.get(stepMs)!;
    const start = stepStart(at, stepMs);
    let counts = row.get(start);
    if (counts === undefined) {
      counts = { stored: 0, duplicate: 0, failed: 0, clockSkewed: 0, byType: new Map(), histogram: new Map() };
      row.set(start, counts);
    }
    return counts;
  }

  function addCounts(counts: StepCounts, row: MetricsTotals): void {
    counts.stored += row.stored;
    counts.duplicate += row.duplicate;
    counts.failed += row.failed;
    if (row.stored > 0) counts.byType.set(row.eventType, (counts.byType.get(row.eventType) ?? 0) + row.stored);
  }

  function addTotals(row: MetricsTotals): void {
    const total = totals.get(row.eventType);
    if (total === undefined) {
      const { eventType, stored, duplicate, failed } = row;
      totals.set(eventType, { eventType, stored, duplicate, failed });
      return;
    }
    total.stored += row.stored;
    total.duplicate += row.duplicate;
    total.failed += row.failed;
  }

  return {
    steps,
    totals,
    add(delta) {
      for (const row of delta.counts) {
        addTotals(row);
        for (const { stepMs } of resolutions) addCounts(stepAt(stepMs, row.at), row);
      }
      for (const row of delta.latencies) {
        for (const { stepMs } of resolutions) {
          const counts = stepAt(stepMs, row.at);
          counts.clockSkewed += row.clockSkewed;
          mergeInto(counts.histogram, row.histogram);
        }
      }
    },
    load(snapshot) {
      for (const row of snapshot.totals) addTotals(row);
      for (const row of snapshot.counts) addCounts(stepAt(row.stepMs, row.at), row);
      for (const row of snapshot.latencies) {
        const counts = stepAt(row.stepMs, row.at);
        counts.clockSkewed += row.clockSkewed;
        mergeInto(counts.histogram, row.histogram);
      }
    },
    merge(other) {
      for (const row of other.totals.values()) addTotals(row);
      for (const [stepMs, rows] of other.steps) {
        for (const [at, from] of rows) {
          const into = stepAt(stepMs, at);
          into.stored += from.stored;
          into.duplicate += from.duplicate;
          into.failed += from.failed;
          into.clockSkewed += from.clockSkewed;
          for (const [type, count] of from.byType) into.byType.set(type, (into.byType.get(type) ?? 0) + count);
          mergeInto(into.histogram, from.histogram);
        }
      }
    },
    expire(now) {
      for (const { stepMs, keptMs } of resolutions) {
        const row = steps.get(stepMs)!;
        for (const at of row.keys()) if (at + stepMs <= now - keptMs) row.delete(at);
      }
    },
  };
}
