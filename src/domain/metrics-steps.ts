import { rollupSteps, stepStart } from './rollup.ts';

const { fineMs, minuteMs, hourMs } = rollupSteps;

/**
 * The lengths of step that windows are drawn in, side by side, so that a window reads its own steps and nothing else.
 * Each is kept as long as its longest window reaches back (metricsWindows), plus room for the step that the window
 * begins in and for clocks that differ: 120 + 70 + 78 + 100 + 170 = 538 steps.
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

/** What is older than this is in no step that is kept. */
export function oldestKept(now: number): number {
  return stepStart(now - longest.keptMs, longest.stepMs);
}

/**
 * Answers, of a time, the shortest step that something of its age is still needed in. It is needed in every longer one
 * too, which this one lies in whole: so what is told once, in this, is enough to make all of them.
 */
export function stepLengths(now: number): (at: number) => number {
  const lengths = bounds(now);
  return (at) => lengths.find(({ from }) => at >= from)?.stepMs ?? longest.stepMs;
}

const longest = metricsSteps.at(-1)!;

/**
 * From when on each length is kept, at the start of a step of the next length: so that none of those is made of two.
 */
function bounds(now: number): readonly { readonly stepMs: number; readonly from: number }[] {
  return metricsSteps.map(({ stepMs, keptMs }, index) => {
    const next = metricsSteps[index + 1]?.stepMs ?? stepMs;
    return { stepMs, from: stepStart(now - keptMs, next) };
  });
}
