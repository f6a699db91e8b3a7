import type { HistogramPairs } from '../../domain/histogram.ts';
import { rollupSteps, stepStart } from '../../domain/rollup.ts';

import type { Findings, RollupCountRow } from './verification.ts';

/**
 * Compares where rows lie in time with the rollups that count them, one partition and hour at a time.
 *
 * An hour may have rollup rows of all three lengths, and each row of `events` is counted in exactly one of them. So the
 * rows are covered if every 10 s row's remainder (stored − pruned) finds that many rows in its ten seconds, every
 * minute's finds as many of those left over in its minute, and the hour's takes exactly the rest.
 */
export function createCoverage(findings: Findings) {
  /** Rows of `events` by 10 s step, then type. */
  const rows = new Map<number, Map<string, number>>();

  return {
    event(receivedAt: number, countedAs: string): void {
      addTo(rows, stepStart(receivedAt, rollupSteps.fineMs), countedAs, 1);
    },

    /** Compares the rows given since the last call with all rollups of their hour, and forgets them. */
    closeHour(
      partition: number,
      hour: number,
      counts: readonly RollupCountRow[],
      histograms: readonly HistogramPairs[],
    ): void {
      const { fineMs, minuteMs, hourMs } = rollupSteps;
      let left: ReadonlyMap<number, ReadonlyMap<string, number>> = rows;
      for (const stepMs of [fineMs, minuteMs, hourMs]) {
        left = takeAway(
          left,
          counts.filter((row) => row.stepMs === stepMs),
          stepMs,
          partition,
        );
      }
      for (const types of left.values()) {
        for (const [eventType, count] of types) {
          if (count <= 0) continue;
          findings.add(
            'uncovered',
            `${place(partition, hour, hourMs, eventType)}: ${count} rows are counted by no rollup.`,
          );
        }
      }
      rows.clear();

      const stored = counts.reduce((sum, row) => sum + row.stored, 0);
      // Redrives are stored and not measured, so there may be fewer.
      const measured = histograms.flat().reduce((sum, [, count]) => sum + count, 0);
      if (measured > stored) {
        findings.add(
          'latency_differs',
          `${place(partition, hour, hourMs)}: latency was measured ${measured} times, and ${stored} events were stored.`,
        );
      }
    },
  };

  /** @returns what is left over, by the start of `stepMs`. */
  function takeAway(
    from: ReadonlyMap<number, ReadonlyMap<string, number>>,
    rollups: readonly RollupCountRow[],
    stepMs: number,
    partition: number,
  ): Map<number, Map<string, number>> {
    const left = new Map<number, Map<string, number>>();
    for (const [at, types] of from) {
      for (const [eventType, count] of types) addTo(left, stepStart(at, stepMs), eventType, count);
    }
    for (const { at, eventType, stored, pruned } of rollups) {
      const found = left.get(at)?.get(eventType) ?? 0;
      const counted = stored - pruned;
      if (counted > found) {
        findings.add(
          'rows_missing',
          `${place(partition, at, stepMs, eventType)}: the rollup counts ${counted} rows that are not pruned, and there are ${found}.`,
        );
      }
      // What is missing was told; the longer steps are compared as if it were there.
      addTo(left, at, eventType, -Math.min(counted, found));
    }
    return left;
  }
}

function addTo(steps: Map<number, Map<string, number>>, at: number, eventType: string, count: number): void {
  let types = steps.get(at);
  if (types === undefined) steps.set(at, (types = new Map()));
  types.set(eventType, (types.get(eventType) ?? 0) + count);
}

function place(partition: number, at: number, stepMs: number, eventType?: string): string {
  const type = eventType === undefined ? '' : `, type ${eventType}`;
  return `Partition ${partition}${type}, ${stepMs / 1000} s from ${new Date(at).toISOString()}`;
}
