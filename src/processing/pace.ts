import { limits } from '../domain/limits.ts';

/**
 * When batches are taken that are not full. All partitions of a worker share the ticks, so that a lone event is stored
 * at once, and of a steady stream what has come during a rest is stored together, whichever partitions it came to.
 */
export interface Pace {
  /**
   * Whoever has something to store waits for the end of the rest, where there is one. A rest that begins meanwhile puts
   * nobody off, so nobody waits for longer than one.
   */
  tick(): Promise<void>;
  /**
   * A batch is done, and nothing waits that would fill another: begins a rest as long as `restFactor` times that work,
   * within bounds, unless one is under way.
   *
   * @param workedMs what the batch has taken, the wait for its writer and maintenance included
   */
  rest(workedMs: number): void;
}

export interface PaceBounds {
  readonly restMinMs: number;
  readonly restMaxMs: number;
}

const ofLimits: PaceBounds = {
  restMinMs: limits.batchRestMinMs,
  restMaxMs: limits.batchRestMaxMs,
};

/** @param restFactor length of a rest, over that of the work before it */
export function createPace(restFactor: number, { restMinMs, restMaxMs }: PaceBounds = ofLimits): Pace {
  let next: Promise<void> | null = null;
  /** By performance.now(). */
  let restsUntil = 0;
  return {
    tick() {
      const restMs = restsUntil - performance.now();
      if (next === null && restMs <= 0) return Promise.resolve();
      next ??= new Promise((resolve) => {
        setTimeout(() => {
          next = null;
          resolve();
        }, restMs);
      });
      return next;
    },
    rest(workedMs) {
      const now = performance.now();
      if (now >= restsUntil) restsUntil = now + Math.min(restMaxMs, Math.max(restMinMs, restFactor * workedMs));
    },
  };
}
