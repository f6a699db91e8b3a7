import { expect, it } from 'vitest';
import { rollupSteps } from '../domain/rollup.ts';
import { createMetricsGrid } from './metrics-grid.ts';
import { metricsWindows } from './metrics-store.ts';

const { fineMs, minuteMs, hourMs } = rollupSteps;
const now = Date.UTC(2026, 0, 15, 12);

function gridOf(...ages: number[]) {
  const grid = createMetricsGrid();
  const counts = ages.map((ageMs) => ({ at: now - ageMs, eventType: 'a', stored: 1, duplicate: 0, failed: 0 }));
  grid.add({ counts, latencies: [] });
  return grid;
}

it('forgets steps that no window reaches, and keeps the totals', () => {
  const ages = Array.from({ length: 30 * 24 }, (_, hours) => hours * hourMs);
  const grid = gridOf(...ages, 5 * minuteMs, 19 * minuteMs, 21 * minuteMs);
  grid.expire(now);
  expect([...grid.steps].map(([stepMs, steps]) => [stepMs, steps.size])).toEqual([
    [fineMs, 3],
    [minuteMs, 26 + 3],
    [hourMs, 8 * 24 + 1],
  ]);
  expect(grid.totals.get('a')?.stored).toBe(ages.length + 3);
});

it.each([
  [fineMs, metricsWindows['15m']],
  [minuteMs, metricsWindows['24h']],
  [hourMs, metricsWindows['7d']],
])('keeps every step of %i ms that a window still reaches', (stepMs, { lengthMs }) => {
  const grid = gridOf(lengthMs);
  grid.expire(now);
  expect(grid.steps.get(stepMs)!.size).toBe(1);
});
