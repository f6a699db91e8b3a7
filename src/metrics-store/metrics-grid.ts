import { bucketIndex } from '../domain/histogram.ts';
import { isKept, metricsSteps } from '../domain/metrics-steps.ts';
import { type RollupDelta, stepStart } from '../domain/rollup.ts';
import { addAll, addTo, type Counters, createCounters, reserve } from './counters.ts';

import type { MetricsSnapshot, MetricsTotals } from './metrics-store.ts';

/** What happened in one step. */
export interface StepCounts {
  stored: number;
  duplicate: number;
  failed: number;
  clockSkewed: number;
  /** Events stored, by the number of their type. */
  readonly types: Counters;
  /** Events by the index of their latency's bucket. */
  readonly latencies: Counters;
}

/** Numbers the event types, from 0. Grids that are merged share one. */
export interface TypeNumbers {
  readonly names: readonly string[];
  numberOf(eventType: string): number;
}

export function createTypeNumbers(): TypeNumbers {
  const names: string[] = [];
  const numbers = new Map<string, number>();
  return {
    names,
    numberOf(eventType) {
      let number = numbers.get(eventType);
      if (number === undefined) {
        number = names.push(eventType) - 1;
        numbers.set(eventType, number);
      }
      return number;
    },
  };
}

/**
 * Counts by step and type, and in all. Numbers in arrays: with 2,000 types that all occur in every step it is
 * 2,000 × 538 steps × 8 bytes = 8.6 MB, and what windows read is summed in a straight line.
 */
export interface MetricsGrid {
  readonly types: TypeNumbers;
  /** Length of step → start of step → counts. */
  readonly steps: ReadonlyMap<number, ReadonlyMap<number, StepCounts>>;
  /** All that ever happened, by the number of the type. */
  readonly totals: { readonly stored: Counters; readonly duplicate: Counters; readonly failed: Counters };
  /** The step's counts, to be added to. */
  step(stepMs: number, at: number): StepCounts;
  add(delta: RollupDelta): void;
  /** Leaves out what no window reaches at `now`. */
  load(snapshot: MetricsSnapshot, now: number): void;
  merge(other: MetricsGrid): void;
  /** Forgets steps that no window reaches any more. */
  expire(now: number): void;
}

export function createMetricsGrid(types: TypeNumbers): MetricsGrid {
  const steps = new Map<number, Map<number, StepCounts>>(metricsSteps.map(({ stepMs }) => [stepMs, new Map()]));
  const totals = { stored: createCounters(), duplicate: createCounters(), failed: createCounters() };

  function step(stepMs: number, at: number): StepCounts {
    const row = steps.get(stepMs)!;
    const start = stepStart(at, stepMs);
    let counts = row.get(start);
    if (counts === undefined) {
      counts = {
        stored: 0,
        duplicate: 0,
        failed: 0,
        clockSkewed: 0,
        types: createCounters(),
        latencies: createCounters(),
      };
      row.set(start, counts);
    }
    return counts;
  }

  /** The step itself and the longer ones that it lies in. */
  function stepsFrom({ stepMs, at }: { readonly stepMs: number; readonly at: number }, now: number): StepCounts[] {
    const kinds = metricsSteps.filter((kind) => kind.stepMs >= stepMs && isKept(stepStart(at, kind.stepMs), kind, now));
    return kinds.map((kind) => step(kind.stepMs, at));
  }

  function addCounts(counts: StepCounts, { stored, duplicate, failed }: MetricsTotals, type: number): void {
    counts.stored += stored;
    counts.duplicate += duplicate;
    counts.failed += failed;
    if (stored > 0) addTo(counts.types, type, stored);
  }

  function addLatencies(counts: StepCounts, row: RollupDelta['latencies'][number]): void {
    counts.clockSkewed += row.clockSkewed;
    // They come in ascending order.
    reserve(counts.latencies, bucketIndex(row.histogram.at(-1)?.[0] ?? 0) + 1);
    for (const [bucket, count] of row.histogram) addTo(counts.latencies, bucketIndex(bucket), count);
  }

  function addTotals({ stored, duplicate, failed }: MetricsTotals, type: number): void {
    addTo(totals.stored, type, stored);
    addTo(totals.duplicate, type, duplicate);
    addTo(totals.failed, type, failed);
  }

  return {
    types,
    steps,
    totals,
    step,
    add(delta) {
      for (const row of delta.counts) {
        const type = types.numberOf(row.eventType);
        addTotals(row, type);
        for (const { stepMs } of metricsSteps) addCounts(step(stepMs, row.at), row, type);
      }
      for (const row of delta.latencies) {
        for (const { stepMs } of metricsSteps) addLatencies(step(stepMs, row.at), row);
      }
    },
    load(snapshot, now) {
      for (const row of snapshot.totals) addTotals(row, types.numberOf(row.eventType));
      const numbers = snapshot.types.map((name) => types.numberOf(name));
      for (const row of snapshot.counts) {
        const byNumber = countersOf(row.stored, numbers);
        for (const counts of stepsFrom(row, now)) {
          counts.duplicate += row.duplicate;
          counts.failed += row.failed;
          for (const count of row.stored) counts.stored += count;
          addAll(counts.types, byNumber);
        }
      }
      for (const row of snapshot.latencies) for (const counts of stepsFrom(row, now)) addLatencies(counts, row);
    },
    merge(other) {
      addAll(totals.stored, other.totals.stored);
      addAll(totals.duplicate, other.totals.duplicate);
      addAll(totals.failed, other.totals.failed);
      for (const [stepMs, rows] of other.steps) {
        for (const [at, from] of rows) {
          const into = step(stepMs, at);
          into.stored += from.stored;
          into.duplicate += from.duplicate;
          into.failed += from.failed;
          into.clockSkewed += from.clockSkewed;
          addAll(into.types, from.types);
          addAll(into.latencies, from.latencies);
        }
      }
    },
    expire(now) {
      for (const kind of metricsSteps) {
        const row = steps.get(kind.stepMs)!;
        for (const at of row.keys()) if (!isKept(at, kind, now)) row.delete(at);
      }
    },
  };
}

/** Counts by the places of some list of types, by their numbers. */
function countersOf(stored: Float64Array, numbers: readonly number[]): Counters {
  const counters = createCounters();
  for (let place = stored.length - 1; place >= 0; place -= 1) {
    if (stored[place]! > 0) addTo(counters, numbers[place]!, stored[place]!);
  }
  return counters;
}
