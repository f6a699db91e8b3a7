/** Ticks that all partitions of a worker wait for together, so that what they do next, they do in the same turn. */
export interface Pace {
  /** The next tick: `everyMs` after the first of those who wait for it asked, so it comes to the others sooner. */
  tick(): Promise<void>;
}

export function createPace(everyMs: number): Pace {
  let next: Promise<void> | null = null;
  return {
    tick() {
      next ??= new Promise((resolve) => {
        setTimeout(() => {
          next = null;
          resolve();
        }, everyMs);
      });
      return next;
    },
  };
}
