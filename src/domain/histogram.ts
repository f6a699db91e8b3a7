/**
 * Log-bucket histogram with integer counters: DDSketch (Masson, Rim, Lee, VLDB 2019) with unbounded buckets.
 * A value v > 0 falls in bucket ceil(log_γ v) with γ = (1 + α) / (1 − α); a quantile's answer is within α of the true
 * value. Counters are integers, so histograms of partitions and minutes merge exactly and in any order.
 */
export const relativeError = 0.01;
const gamma = (1 + relativeError) / (1 - relativeError);
const logGamma = Math.log(gamma);
/** The bucket of 0 (and of anything under 1 ms, which the clock cannot tell apart). */
const zeroBucket = -1;

/** Bucket index → count. Plain pairs, so that it goes through JSON and message ports as it is. */
export type Histogram = Map<number, number>;
export type HistogramPairs = readonly (readonly [bucket: number, count: number])[];

/** @param latencyMs milliseconds; below 1 counts as 0. */
export function bucketOf(latencyMs: number): number {
  if (latencyMs < 1) return zeroBucket;
  // The subtraction keeps exact powers of γ, γ^0 = 1 above all, in their own bucket in spite of rounding.
  return Math.ceil(Math.log(latencyMs) / logGamma - 1e-9);
}

/** Where a bucket's count stands in an array: 0 for the bucket of 0. */
export function bucketIndex(bucket: number): number {
  return bucket - zeroBucket;
}

export function bucketAt(index: number): number {
  return index + zeroBucket;
}

export function addTo(histogram: Histogram, bucket: number, count = 1): void {
  histogram.set(bucket, (histogram.get(bucket) ?? 0) + count);
}

export function mergeInto(target: Histogram, source: Iterable<readonly [number, number]>): void {
  for (const [bucket, count] of source) addTo(target, bucket, count);
}

/** @returns milliseconds within 1 % of the q-quantile, or null of an empty histogram. q from 0 to 1. */
export function quantile(histogram: Histogram, q: number): number | null {
  let total = 0;
  for (const count of histogram.values()) total += count;
  if (total === 0) return null;
  const rank = q * (total - 1);
  let seen = 0;
  for (const bucket of [...histogram.keys()].sort((a, b) => a - b)) {
    seen += histogram.get(bucket)!;
    if (seen > rank) return middleOf(bucket);
  }
  return null;
}

/** A bucket's value, in milliseconds: its middle in the sense that minimises the relative error: 2γ^i / (γ + 1). */
export function middleOf(bucket: number): number {
  if (bucket === zeroBucket) return 0;
  return (2 * gamma ** bucket) / (gamma + 1);
}
