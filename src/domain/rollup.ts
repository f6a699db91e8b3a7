import { addTo, bucketOf, type Histogram, type HistogramPairs } from './histogram.ts';

/** Lengths of the steps that rollups are kept in; every event is counted in exactly one row, which folding moves up. */
export const rollupSteps = { fineMs: 10_000, minuteMs: 60_000, hourMs: 3_600_000 } as const;

export function stepStart(atMs: number, stepMs: number): number {
  return Math.floor(atMs / stepMs) * stepMs;
}

/** Counts of one 10 s step and one type, as one batch adds them. */
export interface CountDelta {
  /** Start of the step, milliseconds since the epoch. */
  readonly at: number;
  /** The name that is counted: a type, `(other)` or `(none)`. */
  readonly eventType: string;
  readonly stored: number;
  readonly duplicate: number;
  readonly failed: number;
}

export interface LatencyDelta {
  readonly at: number;
  readonly histogram: HistogramPairs;
  /** Events whose received_at lay after stored_at: their latency is counted as 0. */
  readonly clockSkewed: number;
}

/** What a batch adds to the metrics. */
export interface RollupDelta {
  readonly counts: readonly CountDelta[];
  readonly latencies: readonly LatencyDelta[];
}

type Counted = 'stored' | 'duplicate' | 'failed';

interface LatencyRow {
  readonly histogram: Histogram;
  clockSkewed: number;
}

/** Whether it lies in the 10 s step that begins there; false of NaN, which is none. */
export function isWithin(atMs: number, fineStepAt: number): boolean {
  return atMs >= fineStepAt && atMs < fineStepAt + rollupSteps.fineMs;
}

/** Collects what one batch adds; `build` gives it in a stable order. */
export function createRollupBuilder() {
  const counts = new Map<number, Map<string, Record<Counted, number>>>();
  const latencies = new Map<number, LatencyRow>();
  /** What was counted last: neighbours share their step, and looking for it makes a number of its own each time. */
  let countedAt = Number.NaN;
  let countedTypes = new Map<string, Record<Counted, number>>();
  let latencyAt = Number.NaN;
  let latencyRow: LatencyRow = { histogram: new Map(), clockSkewed: 0 };

  function count(outcome: Counted, receivedAt: number, eventType: string): void {
    if (!isWithin(receivedAt, countedAt)) {
      countedAt = stepStart(receivedAt, rollupSteps.fineMs);
      countedTypes = counts.get(countedAt) ?? new Map();
      counts.set(countedAt, countedTypes);
    }
    let row = countedTypes.get(eventType);
    if (!row) countedTypes.set(eventType, (row = { stored: 0, duplicate: 0, failed: 0 }));
    row[outcome] += 1;
  }

  /** Latency received → stored in milliseconds; a negative one is a skewed clock and counts as 0. */
  function latency(receivedAt: number, storedAt: number): void {
    if (!isWithin(receivedAt, latencyAt)) {
      latencyAt = stepStart(receivedAt, rollupSteps.fineMs);
      latencyRow = latencies.get(latencyAt) ?? { histogram: new Map(), clockSkewed: 0 };
      latencies.set(latencyAt, latencyRow);
    }
    if (storedAt < receivedAt) latencyRow.clockSkewed += 1;
    addTo(latencyRow.histogram, bucketOf(storedAt - receivedAt));
  }

  function build(): RollupDelta {
    const countRows: CountDelta[] = [];
    for (const [at, types] of counts) for (const [eventType, row] of types) countRows.push({ at, eventType, ...row });
    // One order for every worker, so that two batches which meet take their locks in the same order.
    countRows.sort((a, b) => a.at - b.at || (a.eventType < b.eventType ? -1 : a.eventType > b.eventType ? 1 : 0));
    const latencyRows = [...latencies].map(([at, { histogram, clockSkewed }]) => ({
      at,
      histogram: [...histogram].sort((a, b) => a[0] - b[0]),
      clockSkewed,
    }));
    latencyRows.sort((a, b) => a.at - b.at);
    return { counts: countRows, latencies: latencyRows };
  }

  return { count, latency, build };
}
