import type { EventEnvelope, Position } from '../domain/event.ts';
import type { HistogramPairs } from '../domain/histogram.ts';
import type { RollupDelta } from '../domain/rollup.ts';

/**
 * MetricsStore: what the dashboard reads, derived from the store's rollups and never more than a copy of them.
 *
 * Contract (testing/metrics-store.contract.ts):
 *
 * Watermarked  Every partition has a watermark (log_no, next_offset, commit_token) that changes together with its counters.
 * Told apart   `apply` looks at the watermark: the update's own token → `already_applied`, nothing changes; the token before
 *              it → `applied`; anything else, none included → `diverged`, nothing changes and the caller rebuilds.
 * Rebuilt      `rebuild` replaces all of a partition (SET, never added) with a snapshot, if the watermark is still
 *              `expected`; answers false if it was not.
 * Merged       `read` sums partitions, and shows no partition half applied.
 * Lossy        `recent` is a sample for the eye: bounded, newest first, and may start empty. So are the events that
 *              subscribers are told of. A change itself they hear of, if late: after an interruption they are told where
 *              every partition stands.
 * Failing      UnavailableError. Nothing here ever stops storing.
 */
export interface MetricsWatermark {
  readonly logNo: number;
  readonly nextOffset: number;
  readonly commitToken: string;
}

export interface MetricsUpdate {
  readonly partition: number;
  readonly previousToken: string;
  readonly watermark: MetricsWatermark;
  readonly delta: RollupDelta;
  /** The newest few of the batch. */
  readonly recent: readonly RecentEvent[];
}

export interface RecentEvent extends Omit<EventEnvelope, 'redriveOf'> {
  readonly position: Position;
  readonly storedAt: number;
}

export type ApplyResult = 'applied' | 'already_applied' | 'diverged';

/** The same shape the store answers in `partitionMetrics`. */
export interface MetricsSnapshot {
  readonly partition: number;
  readonly watermark: MetricsWatermark;
  readonly totals: readonly MetricsTotals[];
  /** Names that `counts` goes by. */
  readonly types: readonly string[];
  /** Each count once; what a step counts belongs into all longer ones too. */
  readonly counts: readonly {
    readonly stepMs: number;
    readonly at: number;
    /** By the place of the type in `types`. */
    readonly stored: Float64Array;
    readonly duplicate: number;
    readonly failed: number;
  }[];
  readonly latencies: readonly {
    readonly stepMs: number;
    readonly at: number;
    readonly histogram: HistogramPairs;
    readonly clockSkewed: number;
  }[];
}

export interface MetricsTotals {
  readonly eventType: string;
  readonly stored: number;
  readonly duplicate: number;
  readonly failed: number;
}

export const metricsWindows = {
  '5m': { lengthMs: 300_000, stepMs: 10_000 },
  '15m': { lengthMs: 900_000, stepMs: 10_000 },
  '1h': { lengthMs: 3_600_000, stepMs: 60_000 },
  '6h': { lengthMs: 21_600_000, stepMs: 300_000 },
  '24h': { lengthMs: 86_400_000, stepMs: 900_000 },
  '7d': { lengthMs: 604_800_000, stepMs: 3_600_000 },
} as const;

export type MetricsWindow = keyof typeof metricsWindows;

export interface LatencyQuantiles {
  /** Milliseconds; null of no data. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

export interface MetricsReading {
  /** Events stored whose received_at lies in the window; duplicates and failures likewise. */
  readonly total: number;
  readonly duplicates: number;
  readonly failed: number;
  /** Most frequent first. */
  readonly byType: readonly { readonly eventType: string; readonly count: number }[];
  /** Stored in the last whole 10 s step, per second. */
  readonly ratePerSecond: number;
  readonly latencyMs: LatencyQuantiles;
  readonly stepMs: number;
  /** One entry for every step of the window, oldest first, also where nothing happened. */
  readonly series: readonly ({ readonly at: number; readonly count: number } & LatencyQuantiles)[];
  readonly allTime: {
    readonly total: number;
    readonly duplicates: number;
    readonly failed: number;
    readonly byType: readonly { readonly eventType: string; readonly count: number }[];
  };
  readonly clockSkewed: number;
}

export interface MetricsWriter {
  apply(update: MetricsUpdate): Promise<ApplyResult>;
  watermark(partition: number): Promise<MetricsWatermark | null>;
  rebuild(snapshot: MetricsSnapshot, expected: MetricsWatermark | null): Promise<boolean>;
}

export interface MetricsStore extends MetricsWriter {
  /** @param now milliseconds since the epoch; the window ends with the step that holds it. */
  read(window: MetricsWindow, now: number): Promise<MetricsReading>;
  recent(limit: number): Promise<readonly RecentEvent[]>;
  /**
   * What one partition adds to `read` in every window, with the watermark it stands at; null before its first rebuild.
   * For verification: it is read anew, past any copy that is kept to answer `read`.
   */
  readPartition(partition: number, now: number): Promise<PartitionReading | null>;
  /** Called soon after anything changed, with the events that came with it. Returns the way to stop. */
  subscribe(listener: (change: MetricsChange) => void): () => void;
  close(): Promise<void>;
}

export interface PartitionReading {
  readonly watermark: MetricsWatermark;
  readonly windows: Readonly<Record<MetricsWindow, MetricsReading>>;
}

export interface MetricsChange {
  readonly partition: number;
  readonly watermark: MetricsWatermark;
  readonly recent: readonly RecentEvent[];
}
