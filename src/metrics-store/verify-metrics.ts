import { createMemoryMetricsStore } from './metrics-store.memory.ts';
import {
  type MetricsReading,
  type MetricsSnapshot,
  type MetricsStore,
  type MetricsWatermark,
  type MetricsWindow,
  metricsWindows,
} from './metrics-store.ts';

export interface MetricsDifference {
  readonly code: 'metrics_differ';
  /** Which window and number, what it says, and what the store says. */
  readonly message: string;
}

export interface VerifyMetricsOptions {
  /** Opened for this: one that has read before goes by what has changed since, and not by every counter there is. */
  readonly metrics: Pick<MetricsStore, 'read' | 'watermark'>;
  readonly partitions: readonly number[];
  /** The store's own, as a rebuild would take it; null of a partition without progress. */
  readonly snapshot: (partition: number) => Promise<MetricsSnapshot | null>;
  readonly now: () => number;
}

/**
 * Compares every number that the metrics store shows with what it would show had it just been rebuilt from the event store.
 * @returns null when updates came in between each time it was tried: nothing can be said then
 */
export async function verifyMetrics(options: VerifyMetricsOptions): Promise<readonly MetricsDifference[] | null> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const differences = await verifyOnce(options);
    if (differences !== null) return differences;
  }
  return null;
}

/** At the busiest, a partition stands still for 40 ms between two updates; idle ones, for ever. */
const attemptsMax = 20;

async function verifyOnce(options: VerifyMetricsOptions): Promise<readonly MetricsDifference[] | null> {
  const { metrics, partitions, snapshot } = options;
  const now = options.now();
  const expected = createMemoryMetricsStore({ now: () => now });
  const marks = new Map<number, MetricsWatermark | null>();
  try {
    for (const partition of partitions) {
      const taken = await snapshot(partition);
      marks.set(partition, taken?.watermark ?? null);
      if (taken !== null) await expected.rebuild(taken, null);
    }
    const shown = new Map<MetricsWindow, MetricsReading>();
    for (const window of windows) shown.set(window, await metrics.read(window, now));
    for (const [partition, mark] of marks) {
      if ((await metrics.watermark(partition))?.commitToken !== mark?.commitToken) return null;
    }
    const differences: MetricsDifference[] = [];
    for (const [window, reading] of shown) {
      differences.push(...compare(window, reading, await expected.read(window, now)));
    }
    return differences;
  } finally {
    await expected.close();
  }
}

const windows = Object.keys(metricsWindows) as MetricsWindow[];

function compare(window: MetricsWindow, shown: MetricsReading, expected: MetricsReading): MetricsDifference[] {
  const told = numbersOf(window, shown);
  const right = numbersOf(window, expected);
  return [...new Set([...told.keys(), ...right.keys()])].flatMap((name) => {
    const [says, should] = [told.get(name) ?? 0, right.get(name) ?? 0];
    if (says === should) return [];
    return { code: 'metrics_differ', message: `${name}: the metrics say ${says}, the store says ${should}` } as const;
  });
}

/** Every number of a reading by its name. All-time ones are the same in each window, and so told once. */
function numbersOf(window: MetricsWindow, reading: MetricsReading): Map<string, number | null> {
  const numbers = new Map<string, number | null>();
  const ofWindow =
    window === windows[0]
      ? [['all time', reading.allTime] as const, [window, reading] as const]
      : [[window, reading] as const];
  for (const [name, { total, duplicates, failed, byType }] of ofWindow) {
    numbers.set(`${name}, stored`, total);
    numbers.set(`${name}, duplicates`, duplicates);
    numbers.set(`${name}, failed`, failed);
    for (const { eventType, count } of byType) numbers.set(`${name}, type ${eventType}`, count);
  }
  numbers.set(`${window}, clock skewed`, reading.clockSkewed);
  for (const { at, count, p50, p95, p99 } of reading.series) {
    const step = `${window}, step ${new Date(at).toISOString()}`;
    numbers.set(`${step}, stored`, count);
    for (const [quantile, value] of Object.entries({ p50, p95, p99 })) numbers.set(`${step}, ${quantile}`, value ?? 0);
  }
  return numbers;
}
