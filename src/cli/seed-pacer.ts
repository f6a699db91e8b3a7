import { createSeededRandom } from './seed-random.ts';

export interface PacerOptions {
  /** On average; 0: no limit. */
  readonly ratePerSecond: number;
  readonly steady: boolean;
  /** Length of one simulated day. */
  readonly daySeconds: number;
  readonly seed: number;
}

/** What a server was too slow for is not made up for later: past this the load would no longer be the one asked for. */
const backlogSecondsMax = 1;
const burst = { everySecondsMax: 25, ofTheTime: 0.12, factor: 3 } as const;

/** Says how many events are due. */
export function createPacer({ ratePerSecond, steady, daySeconds, seed }: PacerOptions) {
  const random = createSeededRandom(seed + 1);
  // Bursts add to the mean; everything else is lowered by as much.
  const calm = 1 / (1 + burst.ofTheTime * (burst.factor - 1));
  // A short run has short bursts: several in any case.
  const everySeconds = Math.min(burst.everySecondsMax, daySeconds / 4);
  const lastsSeconds = everySeconds * burst.ofTheTime;
  let budget = 0;
  let lastSeconds = 0;
  let burstFrom = everySeconds * random.number();

  function factorAt(seconds: number): number {
    if (steady) return 1;
    while (seconds > burstFrom + lastsSeconds) {
      burstFrom += everySeconds * (0.5 + random.number());
    }
    const bursting = seconds >= burstFrom ? burst.factor : 1;
    // Starts at the mean and rises, as a morning does.
    const ofDay = 1 + 0.6 * Math.sin((2 * Math.PI * seconds) / daySeconds);
    return calm * bursting * ofDay;
  }

  return {
    /** How long to wait when nothing is due. */
    tickMs: 20,
    /** How many events are due, at most `max`: what is over that stays due. */
    take(seconds: number, max: number): number {
      if (ratePerSecond === 0) return max;
      const rate = ratePerSecond * factorAt(seconds);
      budget = Math.min(budget + rate * (seconds - lastSeconds), Math.max(1, rate * backlogSecondsMax));
      lastSeconds = seconds;
      const whole = Math.min(Math.floor(budget), max);
      budget -= whole;
      return whole;
    },
  };
}
