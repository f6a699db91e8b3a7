import { expect, it } from 'vitest';
import { stepsOf } from './steps.ts';

const at = (seconds: number) => new Date(1_700_000_000_000 + seconds * 1_000).toISOString();
const step = (seconds: number, count: number) => ({ at: at(seconds), count, p50: null, p95: null, p99: null });
const ratesAt = (nowSeconds: number, before = 20) =>
  stepsOf({ step_seconds: 10, as_of: at(nowSeconds), series: [step(0, before), step(10, 10)] }).map(
    ({ perSecond }) => perSecond,
  );

it('counts a whole step over its length', () => expect(ratesAt(25)).toEqual([2, 1]));
it('counts the running step over the time it has lasted', () => expect(ratesAt(15)).toEqual([2, 2]));
it('leaves a step of a flow out that has only begun', () => expect(ratesAt(12)).toEqual([2]));
it('shows the first events after a quiet step at once, as if over three seconds', () => {
  expect(ratesAt(11, 0)).toEqual([0, 10 / 3]);
});
it('shows the running step of a long window after ten seconds', () => {
  const hours = (nowSeconds: number) =>
    stepsOf({ step_seconds: 3_600, as_of: at(nowSeconds), series: [step(0, 7_200), step(3_600, 300)] }).map(
      ({ perSecond }) => perSecond,
    );
  expect(hours(3_609)).toEqual([2]);
  expect(hours(3_610)).toEqual([2, 30]);
});
it('tells which step is not over', () => {
  const running = (nowSeconds: number) =>
    stepsOf({ step_seconds: 10, as_of: at(nowSeconds), series: [step(0, 1), step(10, 1)] }).map(
      ({ isRunning }) => isRunning,
    );
  expect(running(15)).toEqual([false, true]);
  expect(running(20)).toEqual([false, false]);
});
