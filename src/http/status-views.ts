import { limits } from '../domain/limits.ts';
import { formatRfc3339 } from '../domain/rfc3339.ts';
import type { LatencyQuantiles, MetricsReading, MetricsWindow } from '../metrics-store/metrics-store.ts';
import type { LedgerView, LiveSnapshot, MetricsView, ReadinessView } from './contract.ts';
import type { Operations, Readiness } from './dependencies.ts';

type CountsByType = MetricsReading['byType'];

export function metricsView(
  window: MetricsWindow,
  reading: MetricsReading,
  lagSeconds: number,
  now: number,
): MetricsView {
  const { allTime } = reading;
  return {
    window,
    total: reading.total,
    duplicates: reading.duplicates,
    failed: reading.failed,
    by_type: byTypeView(reading.byType),
    rate_per_second: rounded(reading.ratePerSecond),
    latency_ms: quantilesView(reading.latencyMs),
    lag_seconds: rounded(lagSeconds),
    step_seconds: reading.stepMs / 1000,
    series: reading.series.map((step) => ({ at: formatRfc3339(step.at), count: step.count, ...quantilesView(step) })),
    all_time: {
      total: allTime.total,
      duplicates: allTime.duplicates,
      failed: allTime.failed,
      by_type: byTypeView(allTime.byType),
    },
    as_of: formatRfc3339(now),
  };
}

/** The same of the most frequent types only: nothing is made of the others. */
export function liveMetricsView(
  window: MetricsWindow,
  reading: MetricsReading,
  lagSeconds: number,
  now: number,
): LiveSnapshot['metrics'] {
  const mostOf = <Counts extends { readonly byType: CountsByType }>(counts: Counts) => ({
    ...counts,
    byType: counts.byType.slice(0, limits.liveTypesMax),
  });
  const shown = { ...mostOf(reading), allTime: mostOf(reading.allTime) };
  return { ...metricsView(window, shown, lagSeconds, now), types: reading.byType.length };
}

function byTypeView(byType: CountsByType): MetricsView['by_type'] {
  return byType.map(({ eventType, count }) => ({ event_type: eventType, count }));
}

function quantilesView({ p50, p95, p99 }: LatencyQuantiles): LatencyQuantiles {
  return { p50: roundedOrNull(p50), p95: roundedOrNull(p95), p99: roundedOrNull(p99) };
}

function roundedOrNull(value: number | null): number | null {
  return value === null ? null : rounded(value);
}

/** Two decimals: the histogram itself is only within 1 %. */
function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}

export function ledgerView(ledger: Awaited<ReturnType<Operations['ledger']>>): LedgerView {
  const currentLogNo = Math.max(0, ...ledger.partitions.map((entry) => entry.logNo));
  return {
    appended: ledger.appended,
    stored: ledger.stored,
    duplicate: ledger.duplicate,
    failed: ledger.failed,
    lost: ledger.lost,
    skipped: ledger.skipped,
    in_flight: ledger.inFlight,
    pruned: ledger.pruned,
    open_in_inbox: ledger.openInInbox,
    balanced: ledger.balanced,
    as_of: formatRfc3339(ledger.asOf),
    partitions: ledger.partitions.map((entry) => ({
      log_no: entry.logNo,
      partition: entry.partition,
      base: entry.base,
      next_offset: entry.nextOffset,
      log_end: entry.logEnd,
      appended: entry.nextOffset - entry.base + entry.inFlight,
      stored: entry.stored,
      duplicate: entry.duplicate,
      failed: entry.failed,
      lost: entry.lost,
      skipped: entry.skipped,
      in_flight: entry.inFlight,
      pruned: entry.pruned,
      balanced: entry.balanced,
      halted: entry.logNo === currentLogNo ? (ledger.halted.get(entry.partition) ?? null) : null,
    })),
  };
}

export function readinessView({ ready, reasons }: Readiness): ReadinessView {
  return { ready, reasons: reasons.map(({ code, message }) => ({ code, message })) };
}
