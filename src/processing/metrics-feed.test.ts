import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { PartitionMetrics } from '../event-store/event-store.ts';
import { createMemoryMetricsStore } from '../metrics-store/memory/metrics-store.memory.ts';
import type { MetricsStore, MetricsUpdate, MetricsWatermark, MetricsWriter } from '../metrics-store/metrics-store.ts';
import { createTelemetry, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { createMetricsFeed } from './metrics-feed.ts';

const now = Date.UTC(2026, 0, 5, 8);
const away = () => new UnavailableError('metrics_unavailable', 'away');

/**
 * A store that has stored one event a commit, the metrics store, and the feed between them. `commit` answers the update
 * that the batch pushes.
 */
function setUp() {
  const metrics: MetricsStore = createMemoryMetricsStore({ now: () => now });
  const calls: string[] = [];
  const rebuilt: TelemetryEvents['metrics.rebuilt'][] = [];
  const unavailable: TelemetryEvents['metrics.unavailable'][] = [];
  const committed = new Map<number, number>();
  const clock = { now };
  /** Runs before a call is answered: may throw, or wait. */
  const before: Partial<Record<'apply' | 'watermark' | 'rebuild' | 'snapshot', () => Promise<void> | void>> = {};

  const mark = (nextOffset: number): MetricsWatermark => ({ logNo: 1, nextOffset, commitToken: `t${nextOffset}` });
  const counted = (stored: number) => ({ eventType: 'a', stored, duplicate: 0, failed: 0 });

  function commit(partition = 0): MetricsUpdate {
    const to = (committed.get(partition) ?? 0) + 1;
    committed.set(partition, to);
    return {
      partition,
      previousToken: `t${to - 1}`,
      watermark: mark(to),
      delta: { counts: [{ at: now, ...counted(1) }], latencies: [] },
      recent: [],
    };
  }

  function snapshotOf(partition: number): PartitionMetrics {
    const stored = committed.get(partition) ?? 0;
    const totals = [{ ...counted(stored), pruned: 0 }];
    return { partition, watermark: mark(stored), totals, types: [], counts: [], latencies: [] };
  }

  const writer: MetricsWriter = {
    async apply(update) {
      await before.apply?.();
      const result = await metrics.apply(update);
      calls.push(`apply ${update.partition}:${update.watermark.nextOffset} ${result}`);
      return result;
    },
    async watermark(partition) {
      await before.watermark?.();
      return metrics.watermark(partition);
    },
    async rebuild(snapshot, expected) {
      await before.rebuild?.();
      const isDone = await metrics.rebuild(snapshot, expected);
      calls.push(`rebuild ${snapshot.partition}:${snapshot.watermark.nextOffset} ${isDone}`);
      return isDone;
    },
  };

  const telemetry = createTelemetry();
  telemetry.on('metrics.rebuilt', (payload) => rebuilt.push(payload));
  telemetry.on('metrics.unavailable', (payload) => unavailable.push(payload));
  const feed = createMetricsFeed({
    metrics: writer,
    store: {
      async partitionMetrics(_consumer, partition) {
        const snapshot = snapshotOf(partition);
        await before.snapshot?.();
        return snapshot;
      },
    },
    telemetry,
    now: () => now,
    elapsed: () => clock.now,
  });

  /** What the metrics show, against what was committed. */
  async function expectUpToDate(...partitions: number[]): Promise<void> {
    let sum = 0;
    for (const partition of partitions) {
      const stored = committed.get(partition) ?? 0;
      expect(await metrics.watermark(partition)).toEqual(mark(stored));
      sum += stored;
    }
    expect((await metrics.read('24h', now)).allTime.total).toBe(sum);
  }

  /** The partition as the worker finds it: metrics at the store's watermark. */
  async function start(partition = 0): Promise<void> {
    await metrics.rebuild(snapshotOf(partition), await metrics.watermark(partition));
  }

  return { feed, metrics, clock, before, calls, rebuilt, unavailable, commit, mark, start, expectUpToDate };
}

describe('a committed delta', () => {
  it('is applied once, in the order of its partition', async () => {
    const { feed, commit, start, calls, expectUpToDate } = setUp();
    await start(0);
    await start(1);
    for (const partition of [0, 1, 0, 1, 0]) feed.push(commit(partition));
    await feed.settle();
    expect(calls.filter((call) => call.startsWith('apply 0'))).toEqual([
      'apply 0:1 applied',
      'apply 0:2 applied',
      'apply 0:3 applied',
    ]);
    await expectUpToDate(0, 1);
  });

  it('holds up nobody: not the caller, and no other partition', async () => {
    const { feed, commit, start, before, expectUpToDate, metrics, mark } = setUp();
    await start(0);
    await start(1);
    const gate = Promise.withResolvers<void>();
    before.apply = () => {
      before.apply = undefined;
      return gate.promise;
    };
    feed.push(commit(0));
    feed.push(commit(1));
    await expect.poll(() => metrics.watermark(1)).toEqual(mark(1));
    expect(await metrics.watermark(0)).toEqual(mark(0));
    gate.resolve();
    await feed.settle();
    await expectUpToDate(0, 1);
  });

  it.each(['push', 'check'])('hides no %s that comes at the very moment that it is done', async (what) => {
    for (let turns = 0; turns < 20; turns++) {
      const { feed, commit, start, before, calls, expectUpToDate } = setUp();
      await start();
      let looks = 0;
      before.watermark = () => {
        looks += 1;
      };
      const applied = Promise.withResolvers<void>();
      before.apply = () => applied.resolve();
      feed.push(commit());
      await applied.promise;
      before.apply = async () => void (await nextTurn());
      for (let turn = 0; turn < turns; turn++) await null;
      if (what === 'push') feed.push(commit());
      else feed.check(0);
      await feed.settle();
      expect([turns, what === 'push' ? calls.at(-1) : looks]).toEqual([
        turns,
        what === 'push' ? 'apply 0:2 applied' : 1,
      ]);
      await expectUpToDate(0);
    }
  });
});

describe('a partition is rebuilt from the store', () => {
  it('when the metrics have diverged', async () => {
    const { feed, commit, rebuilt, calls, expectUpToDate } = setUp();
    feed.push(commit());
    await feed.settle();
    expect(calls).toEqual(['apply 0:1 diverged', 'rebuild 0:1 true']);
    expect(rebuilt).toEqual([{ partition: 0, reason: 'diverged', durationMs: 0 }]);
    await expectUpToDate(0);
  });

  it('when it was claimed and the metrics stand elsewhere, and not when they stand there', async () => {
    const { feed, commit, mark, rebuilt, expectUpToDate } = setUp();
    commit();
    feed.claimed(0, mark(1));
    await feed.settle();
    expect(rebuilt).toMatchObject([{ reason: 'watermark' }]);
    await expectUpToDate(0);
    feed.claimed(0, mark(1));
    await feed.settle();
    expect(rebuilt).toHaveLength(1);
  });

  it('when what a commit wrote is not known', async () => {
    const { feed, commit, mark, start, rebuilt, expectUpToDate } = setUp();
    await start();
    commit();
    feed.rebuildTo(0, mark(1), 'lost_answer');
    await feed.settle();
    expect(rebuilt).toMatchObject([{ reason: 'lost_answer' }]);
    await expectUpToDate(0);
  });

  it('once, though much was waiting when what a commit wrote was lost', async () => {
    const { feed, commit, mark, start, before, rebuilt, expectUpToDate } = setUp();
    await start();
    const gate = Promise.withResolvers<void>();
    before.apply = () => gate.promise;
    for (let pushed = 0; pushed < 5; pushed++) feed.push(commit());
    commit();
    feed.rebuildTo(0, mark(6), 'lost_answer');
    gate.resolve();
    await feed.settle();
    expect(rebuilt).toHaveLength(1);
    await expectUpToDate(0);
  });

  it('at the next check, when the metrics were flushed', async () => {
    const { feed, commit, start, metrics, mark, rebuilt, expectUpToDate } = setUp();
    await start();
    feed.push(commit());
    await feed.settle();
    feed.check(0);
    await feed.settle();
    expect(rebuilt).toEqual([]);
    const emptied = { partition: 0, watermark: mark(0), totals: [], types: [], counts: [], latencies: [] };
    await metrics.rebuild(emptied, await metrics.watermark(0));
    feed.check(0);
    await feed.settle();
    expect(rebuilt).toMatchObject([{ reason: 'watermark' }]);
    await expectUpToDate(0);
  });

  it('when more waits than may, of which nothing is kept', async () => {
    const { feed, commit, start, before, calls, rebuilt, expectUpToDate } = setUp();
    await start();
    const gate = Promise.withResolvers<void>();
    before.apply = () => gate.promise;
    for (let pushed = 0; pushed < 200; pushed++) feed.push(commit());
    gate.resolve();
    await feed.settle();
    expect(rebuilt.map(({ reason }) => reason)).toContain('behind');
    expect(calls.filter((call) => call.startsWith('apply')).length).toBeLessThan(100);
    await expectUpToDate(0);
  });

  it('again, when the watermark moved between the look and the switch', async () => {
    const { feed, commit, mark, start, before, metrics, calls, expectUpToDate } = setUp();
    await start();
    const late = commit();
    before.rebuild = async () => {
      before.rebuild = undefined;
      expect(await metrics.apply(late)).toBe('applied');
    };
    feed.rebuildTo(0, mark(1), 'lost_answer');
    await feed.settle();
    expect(calls).toEqual(['rebuild 0:1 false', 'rebuild 0:1 true']);
    await expectUpToDate(0);
  });

  it('again, when a reason for it comes after the snapshot was taken', async () => {
    const { feed, commit, mark, start, before, calls, expectUpToDate } = setUp();
    await start();
    commit();
    before.snapshot = () => {
      before.snapshot = undefined;
      commit();
      feed.rebuildTo(0, mark(2), 'lost_answer');
    };
    feed.rebuildTo(0, mark(1), 'lost_answer');
    await feed.settle();
    expect(calls).toEqual(['rebuild 0:1 true', 'rebuild 0:2 true']);
    await expectUpToDate(0);
  });

  it('and what it covers is not applied again', async () => {
    const { feed, commit, mark, start, before, calls, expectUpToDate } = setUp();
    await start();
    commit();
    feed.rebuildTo(0, mark(1), 'lost_answer');
    // Both are committed, and so in the snapshot; the third comes after it was taken.
    feed.push(commit());
    feed.push(commit());
    before.rebuild = () => {
      before.rebuild = undefined;
      feed.push(commit());
    };
    await feed.settle();
    expect(calls).toEqual(['rebuild 0:3 true', 'apply 0:4 applied']);
    await expectUpToDate(0);
  });

  it('for a partition that is halted instead of claimed', async () => {
    const { feed, commit, rebuilt, expectUpToDate } = setUp();
    commit();
    feed.rebuildHalted(0);
    await feed.settle();
    expect(rebuilt).toMatchObject([{ reason: 'halted' }]);
    await expectUpToDate(0);
  });

  it('not at all, while the store has no progress of it', async () => {
    const telemetry = createTelemetry();
    const metrics = createMemoryMetricsStore({ now: () => now });
    const store = { partitionMetrics: async () => null };
    const feed = createMetricsFeed({ metrics, store, telemetry, now: () => now, elapsed: () => 0 });
    feed.rebuildTo(0, { logNo: 1, nextOffset: 0, commitToken: 't' }, 'lost_answer');
    await feed.settle();
    expect(await metrics.watermark(0)).toBeNull();
  });
});

describe('while something new comes', () => {
  it('a check does not rebuild what is only about to be applied', async () => {
    const { feed, commit, start, before, rebuilt, expectUpToDate } = setUp();
    await start();
    before.watermark = async () => {
      before.watermark = undefined;
      await nextTurn();
      feed.push(commit());
    };
    feed.check(0);
    await feed.settle();
    expect(rebuilt).toEqual([]);
    await expectUpToDate(0);
  });

  it('a claim drops what waited, and keeps what is pushed after it', async () => {
    const { feed, commit, mark, start, before, calls, expectUpToDate } = setUp();
    await start();
    const gate = Promise.withResolvers<void>();
    before.apply = () => {
      before.apply = undefined;
      return gate.promise;
    };
    feed.push(commit());
    feed.push(commit());
    await nextTurn();
    feed.claimed(0, mark(2));
    feed.push(commit());
    gate.resolve();
    await feed.settle();
    expect(calls).toEqual(['apply 0:1 applied', 'apply 0:3 diverged', 'rebuild 0:3 true']);
    await expectUpToDate(0);
  });
});

describe('a metrics store that is away', () => {
  it.each(
    (['apply', 'watermark', 'rebuild', 'snapshot'] as const).flatMap((what) => [
      [what, 'away', away(), 'away'] as const,
      // It ends nobody who stores, and is told with its place.
      [what, 'a bug', new TypeError('x is not'), expect.stringMatching(/TypeError: x is not\n +at /)] as const,
    ]),
  )('in %s (%s) is told, and healed by a push a little later', async (what, _why, failure, error) => {
    const { feed, commit, clock, before, rebuilt, unavailable, expectUpToDate } = setUp();
    before[what] = () => {
      throw failure;
    };
    feed.push(commit());
    await feed.settle();
    expect(unavailable).toEqual([{ partition: 0, error }]);
    before[what] = undefined;
    clock.now += limits.metricsRetryMs;
    feed.push(commit());
    await feed.settle();
    expect(rebuilt).toHaveLength(1);
    await expectUpToDate(0);
  });

  it('is not tried at every batch, and what they brought is in the rebuild', async () => {
    const { feed, commit, start, clock, before, unavailable, rebuilt, calls, expectUpToDate } = setUp();
    await start();
    before.apply = () => {
      throw away();
    };
    for (let batch = 0; batch < 50; batch++) {
      feed.push(commit());
      await feed.settle();
      clock.now += 10;
    }
    expect(unavailable).toHaveLength(1);
    before.apply = undefined;
    feed.check(0);
    feed.push(commit());
    await feed.settle();
    expect(rebuilt).toHaveLength(1);
    feed.push(commit());
    await feed.settle();
    expect(calls.at(-1)).toBe('apply 0:52 applied');
    await expectUpToDate(0);
  });

  it('is healed at the next check, without traffic', async () => {
    const { feed, commit, start, before, rebuilt, expectUpToDate } = setUp();
    await start();
    before.apply = () => {
      throw away();
    };
    feed.push(commit());
    await feed.settle();
    before.apply = undefined;
    feed.check(0);
    await feed.settle();
    expect(rebuilt).toMatchObject([{ reason: 'unavailable' }]);
    await expectUpToDate(0);
  });
});
