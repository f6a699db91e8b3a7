import { limits } from '../../domain/limits.ts';
import { createMetricsGrid, createTypeNumbers, type MetricsGrid } from '../metrics-grid.ts';
import type { MetricsChange, MetricsStore, MetricsWatermark, RecentEvent } from '../metrics-store.ts';
import { readWindow, readWindows } from '../read-window.ts';

interface PartitionState {
  watermark: MetricsWatermark;
  grid: MetricsGrid;
}

/** The embedded metrics store: memory, empty at start, filled by the worker's rebuild of each partition it claims. */
export function createMemoryMetricsStore(options: { readonly now: () => number }): MetricsStore {
  const types = createTypeNumbers();
  const partitions = new Map<number, PartitionState>();
  const listeners = new Set<(change: MetricsChange) => void>();
  let recentEvents: RecentEvent[] = [];
  /** All partitions summed; made anew after a rebuild, since counts can't be taken out of a histogram's past. */
  let merged: MetricsGrid | null = createMetricsGrid(types);
  let expiredAt = 0;
  let isClosed = false;

  function assertOpen(): void {
    if (isClosed) throw new Error('the metrics store is closed');
  }

  function mergedGrid(): MetricsGrid {
    if (merged === null) {
      merged = createMetricsGrid(types);
      for (const { grid } of partitions.values()) merged.merge(grid);
    }
    return merged;
  }

  function expireSometimes(now: number): void {
    // Either way: the clock may have been set back.
    if (Math.abs(now - expiredAt) < expireEveryMs) return;
    expiredAt = now;
    mergedGrid().expire(now);
    for (const { grid } of partitions.values()) grid.expire(now);
  }

  function announce(change: MetricsChange): void {
    for (const listener of listeners) listener(change);
  }

  return {
    async apply(update) {
      assertOpen();
      const state = partitions.get(update.partition);
      if (state === undefined) return 'diverged';
      if (isSame(state.watermark, update.watermark)) return 'already_applied';
      if (state.watermark.commitToken !== update.previousToken) return 'diverged';
      state.grid.add(update.delta);
      merged?.add(update.delta);
      state.watermark = update.watermark;
      recentEvents = newestFirst(update.recent, recentEvents);
      expireSometimes(options.now());
      announce({ partition: update.partition, watermark: update.watermark, recent: update.recent });
      return 'applied';
    },

    async watermark(partition) {
      assertOpen();
      return partitions.get(partition)?.watermark ?? null;
    },

    async rebuild(snapshot, expected) {
      assertOpen();
      const found = partitions.get(snapshot.partition)?.watermark ?? null;
      if (found === null ? expected !== null : expected === null || !isSame(found, expected)) return false;
      const grid = createMetricsGrid(types);
      grid.load(snapshot, options.now());
      partitions.set(snapshot.partition, { watermark: snapshot.watermark, grid });
      merged = null;
      announce({ partition: snapshot.partition, watermark: snapshot.watermark, recent: [] });
      return true;
    },

    async read(window, now) {
      assertOpen();
      return readWindow(mergedGrid(), window, now);
    },

    async readPartition(partition, now) {
      assertOpen();
      const state = partitions.get(partition);
      return state === undefined ? null : { watermark: state.watermark, windows: readWindows(state.grid, now) };
    },

    async recent(limit) {
      assertOpen();
      return recentEvents.slice(0, limit);
    },

    subscribe(listener) {
      assertOpen();
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    async close() {
      isClosed = true;
      listeners.clear();
      partitions.clear();
    },
  };
}

/** Old steps are looked for this often: they do no harm meanwhile, no window reads them. */
const expireEveryMs = 60_000;

function isSame(a: MetricsWatermark, b: MetricsWatermark): boolean {
  return a.logNo === b.logNo && a.nextOffset === b.nextOffset && a.commitToken === b.commitToken;
}

function newestFirst(fresh: readonly RecentEvent[], kept: readonly RecentEvent[]): RecentEvent[] {
  if (fresh.length === 0) return kept as RecentEvent[];
  return [...fresh, ...kept].sort((a, b) => b.receivedAt - a.receivedAt).slice(0, limits.recentEventsKept);
}
