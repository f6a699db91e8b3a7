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

/** Collects what one batch adds; `build` gives it in a stable order. */
export function createRollupBuilder() {
  const counts = new Map<number, Map<string, Record<Counted, number>>>();
  const latencies = new Map<number, { histogram: Histogram; clockSkewed: number }>();

  function count(outcome: Counted, receivedAt: number, eventType: string): void {
    const at = stepStart(receivedAt, rollupSteps.fineMs);
    let types = counts.get(at);
    if (!types) counts.set(at, (types = new Map()));
    let row = types.get(eventType);
    if (!row) types.set(eventType, (row = { stored: 0, duplicate: 0, failed: 0 }));
    row[outcome] += 1;
  }

  /** Latency received → stored in milliseconds; a negative one is a skewed clock and counts as 0. */
  function latency(receivedAt: number, storedAt: number): void {
    const at = stepStart(receivedAt, rollupSteps.fineMs);
    let row = latencies.get(at);
    if (!row) latencies.set(at, (row = { histogram: new Map(), clockSkewed: 0 }));
    if (storedAt < receivedAt) row.clockSkewed += 1;
    addTo(row.histogram, bucketOf(storedAt - receivedAt));
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
