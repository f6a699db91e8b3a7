import { type Histogram, type HistogramPairs, mergeInto } from '../domain/histogram.ts';
import { stepLengths } from '../domain/metrics-steps.ts';
import { stepStart } from '../domain/rollup.ts';
import type { PartitionMetrics, StepCounts, TypeTotals } from './event-store.ts';

/** A row of rollup_latency. */
export interface LatencyRow {
  readonly at: number;
  /** JSON of [bucket, count] pairs. */
  readonly histogram: string;
  readonly clock_skewed: number;
}

/**
 * Adds the rollup rows of one partition up in the steps that windows need, as they are read. Of thousands of types
 * these rows are millions: here a count is eight bytes, where an object for each row took the memory and the time of
 * all the rest.
 */
export function createMetricsColumns(totals: readonly TypeTotals[], now: number) {
  const lengthOf = stepLengths(now);
  const types: string[] = [];
  const places = new Map<string, number>();
  const counts = new Map<string, StepSum>();
  const latencies = new Map<string, LatencySum>();
  for (const { eventType } of totals) placeOf(eventType);

  function placeOf(eventType: string, likely = -1): number {
    if (types[likely] === eventType) return likely;
    let place = places.get(eventType);
    if (place === undefined) {
      place = types.push(eventType) - 1;
      places.set(eventType, place);
    }
    return place;
  }

  /** Longer than its age asks for where the rows were folded already. */
  function neededStep(at: number, rowStepMs: number): Step {
    const stepMs = Math.max(rowStepMs, lengthOf(at));
    return { stepMs, at: stepStart(at, stepMs) };
  }

  return {
    /**
     * @param likely where it is looked for first: names come in the order of the totals, so the next one of a step
     * mostly stands behind the last. Of 2,000 types it halves this thread's time.
     */
    placeOf,
    /** The sums that rows of this step are to be added to. */
    step(at: number, rowStepMs: number): StepSum {
      const step = neededStep(at, rowStepMs);
      return getOrAdd(counts, step, () => ({
        ...step,
        duplicate: 0,
        failed: 0,
        stored: new Float64Array(types.length),
      }));
    },
    addLatency(row: LatencyRow, rowStepMs: number): void {
      const step = neededStep(row.at, rowStepMs);
      const sum = getOrAdd(latencies, step, () => ({ ...step, histogram: new Map(), clockSkewed: 0 }));
      mergeInto(sum.histogram, JSON.parse(row.histogram) as HistogramPairs);
      sum.clockSkewed += row.clock_skewed;
    },
    columns(): Pick<PartitionMetrics, 'types' | 'counts' | 'latencies'> {
      const inOrder = (a: Step, b: Step) => a.stepMs - b.stepMs || a.at - b.at;
      return {
        types,
        counts: [...counts.values()].sort(inOrder),
        latencies: [...latencies.values()]
          .sort(inOrder)
          .map((sum) => ({ ...sum, histogram: [...sum.histogram].sort((a, b) => a[0] - b[0]) })),
      };
    },
  };
}

interface Step {
  readonly stepMs: number;
  readonly at: number;
}

type StepSum = { -readonly [Name in keyof StepCounts]: StepCounts[Name] };

interface LatencySum extends Step {
  readonly histogram: Histogram;
  clockSkewed: number;
}

function getOrAdd<Sum>(sums: Map<string, Sum>, { stepMs, at }: Step, create: () => Sum): Sum {
  const key = `${stepMs}:${at}`;
  let sum = sums.get(key);
  if (sum === undefined) sums.set(key, (sum = create()));
  return sum;
}

/** Room for types that rollups have and totals do not, which `verify` tells of. */
export function addStored(step: StepSum, place: number, stored: number): void {
  if (place >= step.stored.length) {
    const grown = new Float64Array(place + 1);
    grown.set(step.stored);
    step.stored = grown;
  }
  step.stored[place]! += stored;
}
