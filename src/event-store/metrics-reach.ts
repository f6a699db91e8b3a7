import { rollupSteps } from '../domain/rollup.ts';

/**
 * How far back `partitionMetrics` answers in each length of step: the longest window that is drawn in such steps, and a
 * margin for the time between the snapshot and its use.
 */
export const metricsReach = [
  { stepMs: rollupSteps.fineMs, keptMs: 20 * 60_000 },
  { stepMs: rollupSteps.minuteMs, keptMs: 25 * 3_600_000 },
  { stepMs: rollupSteps.hourMs, keptMs: 8 * 24 * 3_600_000 },
] as const;
