import { expect } from 'vitest';
import type { MetricsStore, MetricsWindow } from '../metrics-store/metrics-store.ts';
import { createMetricsFeed } from '../processing/metrics-feed.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { countPlainly, deltaOf, type Happened, snapshotOf } from './metrics-history.ts';

/**
 * What a worker does to a metrics store, without the worker: commits of partitions that are counted plainly here, and
 * pushed through the real feed, which rebuilds from here what it finds wrong.
 */
export function createMetricsFeeding(metrics: MetricsStore, partitions: readonly number[], now: () => number) {
  const happened: Happened[] = [];
  const committed = new Map(partitions.map((partition) => [partition, 0]));
  const rebuilt: TelemetryEvents['metrics.rebuilt'][] = [];
  const unavailable: TelemetryEvents['metrics.unavailable'][] = [];
  const telemetry = createTelemetry();
  telemetry.on('metrics.rebuilt', (event) => rebuilt.push(event));
  telemetry.on('metrics.unavailable', (event) => unavailable.push(event));

  const mark = (partition: number, commits = committed.get(partition)!) => {
    return { logNo: 1, nextOffset: commits * 10, commitToken: `${partition}/${commits}` };
  };
  const snapshot = (partition: number) => {
    return { ...snapshotOf(happened, partition, 0, now()), watermark: mark(partition) };
  };
  const feed = createMetricsFeed({
    metrics,
    store: {
      async partitionMetrics(_consumer, partition) {
        const { totals, ...rest } = snapshot(partition);
        return { ...rest, totals: totals.map((row) => ({ ...row, pruned: 0 })) };
      },
    },
    telemetry,
    now,
    elapsed: () => performance.now(),
  });

  /** One batch more of a partition, as an update. */
  function commit(partition: number, records = 10) {
    const batch = Array.from({ length: records }, (_, index): Happened => {
      const eventType = `type ${index % 5}`;
      return { partition, outcome: 'stored', eventType, receivedAt: now() - index * 7, latencyMs: 20 + index };
    });
    happened.push(...batch);
    committed.set(partition, committed.get(partition)! + 1);
    return {
      partition,
      previousToken: mark(partition, committed.get(partition)! - 1).commitToken,
      watermark: mark(partition),
      delta: deltaOf(batch),
      recent: [],
    };
  }

  return {
    feed,
    rebuilt,
    unavailable,
    commit,
    mark,
    snapshot,
    push(partition: number) {
      feed.push(commit(partition));
    },
    /** What a reader must show of everything that was committed so far. */
    plain: (window: MetricsWindow = '15m') => countPlainly(happened, window, now()).allTime,
    /** Waits until the readers show everything that was committed, while idle checks go on as in a worker. */
    async untilExact(...readers: readonly MetricsStore[]): Promise<void> {
      const expected = countPlainly(happened, '15m', now()).allTime;
      for (const reader of [metrics, ...readers]) {
        await expect
          .poll(
            async () => {
              for (const partition of partitions) feed.check(partition);
              await feed.settle();
              return (await reader.read('15m', now())).allTime;
            },
            { timeout: 30_000, interval: 100 },
          )
          .toEqual(expected);
      }
    },
  };
}
