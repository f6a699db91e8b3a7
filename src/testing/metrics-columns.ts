import type { MetricsSnapshot, MetricsTotals } from '../metrics-store/metrics-store.ts';

/** Counts of one type in one step, as a test writes them down. */
export interface CountRow extends MetricsTotals {
  readonly stepMs: number;
  readonly at: number;
}

/** As the event store answers them. */
export function columnsOf(rows: readonly CountRow[]): Pick<MetricsSnapshot, 'types' | 'counts'> {
  const types = [...new Set(rows.map(({ eventType }) => eventType))];
  const steps = Map.groupBy(rows, ({ stepMs, at }) => `${stepMs}:${at}`);
  const counts = [...steps.values()].map((ofStep) => {
    const { stepMs, at } = ofStep[0]!;
    const stored = new Float64Array(types.length);
    for (const row of ofStep) stored[types.indexOf(row.eventType)]! += row.stored;
    const sum = (name: 'duplicate' | 'failed') => ofStep.reduce((total, row) => total + row[name], 0);
    return { stepMs, at, stored, duplicate: sum('duplicate'), failed: sum('failed') };
  });
  return { types, counts };
}

/** And back: what was stored, of each type that has any. */
export function storedOf({ types, counts }: Pick<MetricsSnapshot, 'types' | 'counts'>) {
  return counts.map(({ stepMs, at, stored, duplicate, failed }) => {
    const byType = [...stored].flatMap((count, place) => (count > 0 ? [[types[place]!, count] as const] : []));
    return { stepMs, at, stored: Object.fromEntries(byType), duplicate, failed };
  });
}
