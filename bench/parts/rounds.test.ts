import { describe, expect, it } from 'vitest';
import { cpuRatioOf, fastestOf, ratioOf, type SideResult } from './rounds.ts';
import { spreadOf } from './statistics.ts';

function side(name: string, rates: readonly number[]) {
  const rounds = rates.map((eventsPerSecond) => ({ load: { eventsPerSecond } }));
  return { name, eventsPerSecond: spreadOf(rates), rounds } as unknown as SideResult;
}

describe('the peer', () => {
  it('is the side of the higher median, whatever its best round was', () => {
    const steady = side('steady', [50, 51, 52]);
    const lucky = side('lucky', [40, 41, 90]);
    expect(fastestOf([lucky, steady]).name).toBe('steady');
    expect(fastestOf([steady, lucky]).name).toBe('steady');
  });

  it('is the first of equals, and the only one', () => {
    expect(fastestOf([side('a', [5]), side('b', [5])]).name).toBe('a');
    expect(fastestOf([side('a', [5])]).name).toBe('a');
  });
});

describe('a ratio', () => {
  it('is taken of neighbours, so that a machine that slows down changes nothing', () => {
    expect(ratioOf(side('product', [100, 50, 10]), side('peer', [80, 40, 8]))).toEqual({
      median: 1.25,
      min: 1.25,
      max: 1.25,
    });
  });

  it('of processor time is one of events, and taken of neighbours too', () => {
    const rounds = (costs: readonly number[], accepted: readonly number[]) =>
      ({
        rounds: costs.map((cost, i) => ({ cpuSeconds: cost * accepted[i]!, load: { accepted: accepted[i]! } })),
      }) as unknown as SideResult;
    // Of medians it would be 0.75.
    expect(cpuRatioOf(rounds([3, 1, 8], [100, 200, 50]), rounds([2, 4, 5], [70, 300, 90])).median).toBe(1.5);
  });
});
