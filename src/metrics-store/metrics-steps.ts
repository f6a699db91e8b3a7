import { rollupSteps } from '../domain/rollup.ts';

const { fineMs, minuteMs, hourMs } = rollupSteps;

/**
 * The lengths of step that windows are drawn in, side by side, so that a window reads its own steps and nothing else. Each
 * is kept as long as its longest window reaches back (metricsWindows), plus room for the step that the window begins in and
 * for clocks that differ: 120 + 70 + 78 + 100 + 170 = 538 steps.
 */
export const metricsSteps = [
  { stepMs: fineMs, keptMs: 20 * minuteMs },
  { stepMs: minuteMs, keptMs: 70 * minuteMs },
  { stepMs: 5 * minuteMs, keptMs: 6.5 * hourMs },
  { stepMs: 15 * minuteMs, keptMs: 25 * hourMs },
  { stepMs: hourMs, keptMs: 170 * hourMs },
] as const;

/** Whether a window can still reach the step. */
export function isKept(at: number, { stepMs, keptMs }: (typeof metricsSteps)[number], now: number): boolean {
  return at + stepMs > now - keptMs;
}

/** The steps that a snapshot's row of this length goes into: its own, and the longer ones that the snapshot has no rows of. */
export function stepsOfRow(rowStepMs: number): readonly (typeof metricsSteps)[number][] {
  return metricsSteps.filter(({ stepMs }) => stepMs >= rowStepMs && stepMs < (nextRollup.get(rowStepMs) ?? Infinity));
}

const nextRollup = new Map<number, number>([
  [fineMs, minuteMs],
  [minuteMs, hourMs],
]);
