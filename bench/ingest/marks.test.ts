import { describe, expect, it } from 'vitest';
import { spreadOf } from '../parts/statistics.ts';
import { scalingMark } from './marks.ts';

const side = (cpuSeconds: number, rate: number) => ({
  cpuSecondsPer100k: spreadOf([cpuSeconds]),
  eventsPerSecond: spreadOf([rate]),
});

describe('scaling', () => {
  it.each([
    ['by processor time alone where cores are few', side(1.15, 100), 2, true],
    ['not where two processes need much more of it', side(1.2, 190), 2, false],
    ['by rate too where there are cores for it', side(1.1, 171), 8, true],
    ['not where the rate does not follow', side(1.1, 150), 8, false],
  ])('is judged %s', (_, several, cores, held) => {
    expect(scalingMark(side(1, 100), several, 2, cores).held).toBe(held);
  });
});
