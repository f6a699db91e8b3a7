import { isKept, metricsSteps } from '../../domain/metrics-steps.ts';
import type { RollupDelta } from '../../domain/rollup.ts';
import { addAll, createCounters } from '../counters.ts';
import type { MetricsGrid, StepCounts, TypeNumbers } from '../metrics-grid.ts';
import { type GenerationKeys, parseStepName, stepName } from './keys.ts';
import { pack, unpack } from './packed.ts';

/**
 * What stands in Redis for a grid. A generation numbers its types in the order they came, a process numbers them for
 * all its grids: `numbers` leads from the first to the second.
 */
export interface GenerationTypes {
  readonly names: readonly string[];
  readonly numbers: readonly number[];
  readonly known: ReadonlySet<number>;
}

/** One key and its value. `expiresAt` is null where it stays as long as its generation. */
export interface Value {
  readonly key: string;
  readonly value: Buffer;
  readonly expiresAt: number | null;
}

/** Types of a generation: names by its numbers. */
export function typesNamed(names: readonly string[], processTypes: TypeNumbers): GenerationTypes {
  const numbers = names.map((name) => processTypes.numberOf(name));
  return { names, numbers, known: new Set(numbers) };
}

/**
 * The generation's numbering, gone on with by those types that `grid` has beyond it: by name, so that every process
 * that follows an update comes to the numbers that its writer gave. The totals have every type that a step has.
 */
export function withTypesOf(types: GenerationTypes, { totals, types: processTypes }: MetricsGrid): GenerationTypes {
  const { stored, duplicate, failed } = totals;
  const fresh: string[] = [];
  for (let number = 0; number < stored.values.length; number += 1) {
    if (types.known.has(number)) continue;
    if (stored.values[number]! + duplicate.values[number]! + failed.values[number]! === 0) continue;
    fresh.push(processTypes.names[number]!);
  }
  return withFresh(types, fresh, processTypes);
}

/** The same of a delta alone, which has few of the types. */
export function withTypesIn(types: GenerationTypes, delta: RollupDelta, processTypes: TypeNumbers): GenerationTypes {
  const fresh = new Set<string>();
  for (const { eventType, stored, duplicate, failed } of delta.counts) {
    if (stored + duplicate + failed > 0 && !types.known.has(processTypes.numberOf(eventType))) fresh.add(eventType);
  }
  return withFresh(types, [...fresh], processTypes);
}

function withFresh(types: GenerationTypes, fresh: string[], processTypes: TypeNumbers): GenerationTypes {
  return fresh.length === 0 ? types : typesNamed([...types.names, ...fresh.sort()], processTypes);
}

const counted = ['stored', 'duplicate', 'failed'] as const;
const stepCounted = [...counted, 'clockSkewed'] as const;
const headerLength = 1 + stepCounted.length;

/** All-time counts by type, three together: the sums of some grids. */
export function totalsValue(of: GenerationKeys, { numbers }: GenerationTypes, grids: readonly MetricsGrid[]): Value {
  const values = new Float64Array(numbers.length * counted.length);
  for (const [index, field] of counted.entries()) {
    for (const { totals } of grids) {
      const counts = totals[field].values;
      for (let type = 0, at = index; type < numbers.length; type += 1, at += counted.length) {
        values[at]! += counts[numbers[type]!] ?? 0;
      }
    }
  }
  return { key: of.totals, value: pack(values), expiresAt: null };
}

/** A step of a grid as Redis holds it. */
export interface StepValue extends Value {
  readonly name: string;
  readonly expiresAt: number;
  /** `base` has nothing of it. */
  readonly isNew: boolean;
}

/** Every step of `grid` that a window can still reach, added to what `base` has of it. */
export function stepValues(
  of: GenerationKeys,
  types: GenerationTypes,
  grid: MetricsGrid,
  base: MetricsGrid | null,
  now: number,
): StepValue[] {
  return metricsSteps.flatMap((kind) =>
    [...grid.steps.get(kind.stepMs)!]
      .filter(([at]) => isKept(at, kind, now))
      .map(([at, counts]) => {
        const name = stepName(kind.stepMs, at);
        const before = base?.steps.get(kind.stepMs)?.get(at);
        const value = packStep(types, before === undefined ? counts : sumOf(before, counts));
        const expiresAt = at + kind.stepMs + kind.keptMs;
        return { name, key: of.step(name), value, expiresAt, isNew: before === undefined };
      }),
  );
}

function sumOf(a: StepCounts, b: StepCounts): StepCounts {
  const sum = {
    stored: a.stored + b.stored,
    duplicate: a.duplicate + b.duplicate,
    failed: a.failed + b.failed,
    clockSkewed: a.clockSkewed + b.clockSkewed,
    types: createCounters(),
    latencies: createCounters(),
  };
  for (const from of [a, b]) {
    addAll(sum.types, from.types);
    addAll(sum.latencies, from.latencies);
  }
  return sum;
}

/** How many buckets, the sums of all types, a counter for every bucket, then one for every type. */
function packStep({ numbers }: GenerationTypes, counts: StepCounts): Buffer {
  const { latencies, types } = counts;
  const buckets = latencies.values.length;
  const row = new Float64Array(headerLength + buckets + numbers.length);
  row[0] = buckets;
  for (const [index, field] of stepCounted.entries()) row[1 + index] = counts[field];
  row.set(latencies.values, headerLength);
  for (let type = 0; type < numbers.length; type += 1) {
    row[headerLength + buckets + type] = types.values[numbers[type]!] ?? 0;
  }
  return pack(row);
}

/** Adds what Redis holds of a generation to an empty grid. */
export function unpackInto(
  grid: MetricsGrid,
  { numbers }: GenerationTypes,
  totals: Buffer | null,
  steps: readonly { readonly name: string; readonly value: Buffer | null }[],
): void {
  const length = grid.types.names.length;
  function byProcessNumber(packed: Float64Array, first: number, stride: number): Float64Array {
    const values = new Float64Array(length);
    for (let type = 0, at = first; at < packed.length; type += 1, at += stride) {
      if (packed[at] !== 0) values[numbers[type]!] = packed[at]!;
    }
    return values;
  }
  if (totals !== null) {
    const all = unpack(totals);
    for (const [index, field] of counted.entries()) {
      grid.totals[field].values = byProcessNumber(all, index, counted.length);
    }
  }
  for (const { name, value } of steps) {
    // Expired since it was listed.
    if (value === null) continue;
    const { stepMs, at } = parseStepName(name);
    const step = grid.step(stepMs, at);
    const row = unpack(value);
    const typesFrom = headerLength + row[0]!;
    for (const [index, field] of stepCounted.entries()) step[field] = row[1 + index] ?? 0;
    step.latencies.values = row.slice(headerLength, typesFrom);
    step.types.values = byProcessNumber(row, typesFrom, 1);
  }
}
