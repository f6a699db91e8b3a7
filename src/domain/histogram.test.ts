import { describe, expect, it } from 'vitest';
import { addTo, bucketOf, type Histogram, mergeInto, quantile, relativeError } from './histogram.ts';

function histogramOf(values: readonly number[]): Histogram {
  const histogram: Histogram = new Map();
  for (const value of values) addTo(histogram, bucketOf(value));
  return histogram;
}

describe('histogram', () => {
  it('answers quantiles within the relative error', () => {
    const values = Array.from({ length: 10_000 }, (_, index) => index + 1);
    const histogram = histogramOf(values);
    for (const q of [0, 0.5, 0.95, 0.99, 1]) {
      const exact = values[Math.floor(q * (values.length - 1))]!;
      expect(Math.abs(quantile(histogram, q)! - exact) / exact).toBeLessThanOrEqual(relativeError + 1e-9);
    }
  });

  it('keeps 1 ms apart from 0 and answers 0 for what is under 1 ms', () => {
    expect(quantile(histogramOf([0, 0, 0.4]), 0.5)).toBe(0);
    expect(quantile(histogramOf([1]), 0.5)).toBeCloseTo(1, 1);
  });

  it('merges to the same answer in any order', () => {
    const all = histogramOf([1, 5, 9, 100, 2_000, 2_000]);
    const merged: Histogram = new Map();
    mergeInto(merged, histogramOf([2_000, 9, 1]));
    mergeInto(merged, histogramOf([5, 2_000, 100]));
    expect(new Map([...merged].sort())).toEqual(new Map([...all].sort()));
  });

  it('has no quantile of nothing', () => {
    expect(quantile(new Map(), 0.5)).toBeNull();
  });
});
