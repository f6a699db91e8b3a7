/** Counters by a small index: as long as the highest index that was used, all others being 0. */
export interface Counters {
  values: Float64Array;
}

export function createCounters(length = 0): Counters {
  return { values: new Float64Array(length) };
}

export function addTo(counters: Counters, index: number, count: number): void {
  if (index >= counters.values.length) grow(counters, index + 1);
  counters.values[index]! += count;
}

export function addAll(into: Counters, from: Counters): void {
  const { values } = from;
  reserve(into, values.length);
  const sums = into.values;
  for (let index = 0; index < values.length; index += 1) sums[index]! += values[index]!;
}

/** Makes room at once for what comes in one by one. */
export function reserve(counters: Counters, length: number): void {
  if (length > counters.values.length) grow(counters, length);
}

/** A quarter more than is needed: types and latencies come in little by little. */
function grow(counters: Counters, length: number): void {
  const grown = new Float64Array(counters.values.length === 0 ? length : Math.ceil(length * 1.25));
  grown.set(counters.values);
  counters.values = grown;
}
