import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { Discrepancy, EventReader } from '../event-store/event-store.ts';
import type {
  MetricsReading,
  MetricsSnapshot,
  MetricsStore,
  MetricsWindow,
  PartitionReading,
} from '../metrics-store/metrics-store.ts';

/** One for each length of step: the other one is a part of one of these. */
const windows: readonly MetricsWindow[] = ['15m', '1h', '6h', '24h', '7d'];

export interface CompareMetricsOptions {
  readonly store: Pick<EventReader, 'progress'> & {
    partitionMetrics(consumer: string, partition: number, now: number): Promise<MetricsSnapshot | null>;
  };
  readonly metrics: Pick<MetricsStore, 'readPartition'>;
  /** An empty metrics store that is right by definition: rebuilt from the store, it tells what the other one has to. */
  readonly createReference: () => MetricsStore;
  readonly now: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Compares what the metrics store tells of each partition with what the event store has, at one watermark. Batches that
 * land in between make it look again.
 *
 * @throws UnavailableError where either does not answer
 */
export async function compareMetrics(options: CompareMetricsOptions): Promise<readonly Discrepancy[]> {
  const progress = await options.store.progress(storeConsumer);
  const partitions = progress.map(({ partition }) => partition);
  const found = new Map<number, readonly Discrepancy[]>();
  // One look at each of those that are left, then the next: were they waited for one after another, as many as no
  // worker cares for would take that many times as long.
  for (let looks = 0; looks < limits.verifyLooksMax && found.size < partitions.length; looks += 1) {
    if (looks > 0) await options.pause(limits.verifyLookEveryMs, neverAborted);
    const isLast = looks === limits.verifyLooksMax - 1;
    for (const partition of partitions.filter((partition) => !found.has(partition))) {
      const discrepancies = await comparePartition(options, partition, isLast);
      if (discrepancies !== null) found.set(partition, discrepancies);
    }
  }
  return partitions.flatMap((partition) => found.get(partition) ?? []);
}

/** @returns null where the two are at different watermarks, and another look may find them at one */
async function comparePartition(
  options: CompareMetricsOptions,
  partition: number,
  isLastLook: boolean,
): Promise<readonly Discrepancy[] | null> {
  const at = options.now();
  const snapshot = await options.store.partitionMetrics(storeConsumer, partition, at);
  if (snapshot === null) return [];
  const found = await options.metrics.readPartition(partition, at);
  if (found !== null && isAt(found, snapshot)) return compareReadings(options, snapshot, found, at);
  if (!isLastLook) return null;
  const where =
    found === null ? 'have nothing of it' : `stand at offset ${found.watermark.nextOffset}, behind the store`;
  const message = `Partition ${partition}: the metrics ${where}. A worker brings them up to date within seconds; without one, run esp rebuild-metrics.`;
  return [{ code: 'metrics_behind', message }];
}

function isAt({ watermark }: PartitionReading, snapshot: MetricsSnapshot): boolean {
  return watermark.commitToken === snapshot.watermark.commitToken && watermark.logNo === snapshot.watermark.logNo;
}

async function compareReadings(
  { createReference }: CompareMetricsOptions,
  snapshot: MetricsSnapshot,
  found: PartitionReading,
  at: number,
): Promise<readonly Discrepancy[]> {
  const reference = createReference();
  try {
    await reference.rebuild(snapshot, null);
    const expected = await reference.readPartition(snapshot.partition, at);
    return windows.flatMap((window, index) =>
      differencesOf(found.windows[window], expected!.windows[window], index === 0).map(
        ({ what, found, expected, isAllTime }) => ({
          code: 'metrics_differ',
          message: `Partition ${snapshot.partition}, ${what} ${isAllTime ? 'in all time' : `in the last ${window}`}: ${found} in the metrics, ${expected} in the store.`,
        }),
      ),
    );
  } finally {
    await reference.close();
  }
}

interface Difference {
  readonly what: string;
  readonly found: string;
  readonly expected: string;
  readonly isAllTime: boolean;
}

/** @param withAllTime every window has it: once is enough */
function differencesOf(found: MetricsReading, expected: MetricsReading, withAllTime: boolean): readonly Difference[] {
  const pairs: (readonly [what: string, found: unknown, expected: unknown, isAllTime: boolean])[] = [
    ...pairsOf(found, expected, false),
    ['latency', found.latencyMs, expected.latencyMs, false],
    ['events with a clock ahead', found.clockSkewed, expected.clockSkewed, false],
    ...stepPairs(found, expected),
    ...(withAllTime ? pairsOf(found.allTime, expected.allTime, true) : []),
  ];
  return pairs.flatMap(([what, one, other, isAllTime]) => {
    const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
    return a === b ? [] : [{ what, found: a, expected: b, isAllTime }];
  });
}

type Counted = Pick<MetricsReading, 'total' | 'duplicates' | 'failed' | 'byType'>;

function pairsOf(found: Counted, expected: Counted, isAllTime: boolean) {
  const types = new Set([...found.byType, ...expected.byType].map(({ eventType }) => eventType));
  const countOf = ({ byType }: Counted, type: string) => byType.find(({ eventType }) => eventType === type)?.count ?? 0;
  return [
    ['stored', found.total, expected.total, isAllTime] as const,
    ['duplicates', found.duplicates, expected.duplicates, isAllTime] as const,
    ['failed', found.failed, expected.failed, isAllTime] as const,
    ...[...types].map((type) => {
      return [
        `stored of type ${JSON.stringify(type)}`,
        countOf(found, type),
        countOf(expected, type),
        isAllTime,
      ] as const;
    }),
  ];
}

function stepPairs(found: MetricsReading, expected: MetricsReading) {
  return expected.series.map((step, index) => {
    return [`the step at ${new Date(step.at).toISOString()}`, found.series[index], step, false] as const;
  });
}

const neverAborted = new AbortController().signal;
