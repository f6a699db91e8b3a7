import { expect, it } from 'vitest';
import { metricsSteps } from '../domain/metrics-steps.ts';
import { rollupSteps } from '../domain/rollup.ts';
import { createMetricsGrid, createTypeNumbers } from './metrics-grid.ts';
import { metricsWindows } from './metrics-store.ts';

const { minuteMs, hourMs } = rollupSteps;
const now = Date.UTC(2026, 0, 15, 12);

function gridOf(...ages: number[]) {
  const grid = createMetricsGrid(createTypeNumbers());
  const counts = ages.map((ageMs) => ({ at: now - ageMs, eventType: 'a', stored: 1, duplicate: 0, failed: 0 }));
  grid.add({ counts, latencies: [] });
  return grid;
}

it('forgets steps that no window reaches, and keeps the totals', () => {
  const ages = Array.from({ length: 30 * 24 }, (_, hours) => hours * hourMs);
  const grid = gridOf(...ages, 5 * minuteMs, 19 * minuteMs, 21 * minuteMs);
  grid.expire(now);
  expect([...grid.steps].map(([stepMs, steps]) => [stepMs, steps.size])).toEqual([
    [10_000, 3],
    [minuteMs, 2 + 3],
    [5 * minuteMs, 7 + 3],
    [15 * minuteMs, 26 + 2],
    [hourMs, 170 + 1],
  ]);
  expect(grid.totals.stored.values[grid.types.numberOf('a')]).toBe(ages.length + 3);
});

it.each(metricsSteps)('keeps every step of $stepMs ms that a window still reaches', ({ stepMs }) => {
  const reaches = Object.values(metricsWindows).flatMap((window) => (window.stepMs === stepMs ? window.lengthMs : []));
  const grid = gridOf(...reaches);
  grid.expire(now);
  expect(reaches.length).toBeGreaterThan(0);
  expect(grid.steps.get(stepMs)!.size).toBe(reaches.length);
});

it('has a length of step for every window', () => {
  const lengths = new Set<number>(metricsSteps.map(({ stepMs }) => stepMs));
  expect(new Set(Object.values(metricsWindows).map(({ stepMs }) => stepMs))).toEqual(lengths);
});
