import { expect, it } from 'vitest';
import { stepsOf } from './steps.ts';

const at = (seconds: number) => new Date(1_700_000_000_000 + seconds * 1_000).toISOString();
const step = (seconds: number, count: number) => ({ at: at(seconds), count, p50: null, p95: null, p99: null });
const ratesAt = (nowSeconds: number) =>
  stepsOf({ step_seconds: 10, as_of: at(nowSeconds), series: [step(0, 20), step(10, 10)] }).map(
    ({ perSecond }) => perSecond,
  );

it('counts a whole step over its length', () => expect(ratesAt(25)).toEqual([2, 1]));
it('counts the running step over the time it has lasted', () => expect(ratesAt(15)).toEqual([2, 2]));
it('leaves a step out that has only begun', () => expect(ratesAt(12)).toEqual([2]));
