import { limits } from '../domain/limits.ts';

/** Ticks that all partitions of a worker wait for together, so that what they do next, they do in the same turn. */
export interface Pace {
  /**
   * The next tick, counted from the first of those who wait for it: after a rest as long as `batchRestFactor` times its work,
   * within bounds.
   *
   * @param workedMs what the batch that was just stored has taken, the wait for its turn and maintenance included
   */
  tick(workedMs: number): Promise<void>;
}

export interface PaceOptions {
  readonly restFactor: number;
  readonly restMinMs: number;
  readonly restMaxMs: number;
}

const ofLimits: PaceOptions = {
  restFactor: limits.batchRestFactor,
  restMinMs: limits.batchRestMinMs,
  restMaxMs: limits.batchRestMaxMs,
};

export function createPace({ restFactor, restMinMs, restMaxMs }: PaceOptions = ofLimits): Pace {
  let next: Promise<void> | null = null;
  return {
    tick(workedMs) {
      next ??= new Promise((resolve) => {
        const restMs = Math.min(restMaxMs, Math.max(restMinMs, restFactor * workedMs));
        setTimeout(() => {
          next = null;
          resolve();
        }, restMs);
      });
      return next;
    },
  };
}
