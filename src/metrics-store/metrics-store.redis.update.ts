import { bucketIndex, type HistogramPairs } from '../domain/histogram.ts';
import { limits } from '../domain/limits.ts';
import { type RollupDelta, stepStart } from '../domain/rollup.ts';
import { addTo, type Counters, createCounters } from './counters.ts';
import { createTypeNumbers } from './metrics-grid.ts';
import { isKept, metricsSteps } from './metrics-steps.ts';
import { stepName } from './metrics-store.redis.keys.ts';
import { latenciesFrom, stepFields, totalFields, totalsPerType } from './metrics-store.redis.packed.ts';
import type { MetricsUpdate, MetricsWatermark, RecentEvent } from './metrics-store.ts';

/** An update as the script takes it. */
export interface PreparedUpdate {
  /** Names of the steps that change. */
  readonly steps: readonly string[];
  /** What is added, as JSON. */
  readonly additions: string;
  /** The same for readers. */
  readonly entry: string;
  /** Score and text, newest first. */
  readonly recent: readonly (readonly [receivedAt: number, json: string])[];
}

interface StepAdditions {
  readonly expires: number;
  readonly latencies: Counters;
  readonly counts: Counters;
}

/** Steps that no window reaches any more are left out: Redis would have to keep them for nothing. */
export function prepareUpdate(update: MetricsUpdate, now: number): PreparedUpdate {
  const { delta } = update;
  const types = createTypeNumbers();
  const totals = createCounters();
  const steps = new Map<string, StepAdditions>();

  function stepsAt(at: number): StepAdditions[] {
    return metricsSteps.flatMap((kind) => {
      const start = stepStart(at, kind.stepMs);
      if (!isKept(start, kind, now)) return [];
      const name = stepName(kind.stepMs, start);
      let step = steps.get(name);
      if (step === undefined) {
        const expires = start + kind.stepMs + kind.keptMs - now;
        step = { expires, latencies: createCounters(latenciesFrom), counts: createCounters() };
        steps.set(name, step);
      }
      return step;
    });
  }

  for (const { at, eventType, stored, duplicate, failed } of delta.counts) {
    const type = types.numberOf(eventType);
    addTo(totals, type * totalsPerType + totalFields.stored, stored);
    addTo(totals, type * totalsPerType + totalFields.duplicate, duplicate);
    addTo(totals, type * totalsPerType + totalFields.failed, failed);
    for (const { latencies, counts } of stepsAt(at)) {
      addTo(latencies, stepFields.stored, stored);
      addTo(latencies, stepFields.duplicate, duplicate);
      addTo(latencies, stepFields.failed, failed);
      addTo(counts, type, stored);
    }
  }
  for (const { at, histogram, clockSkewed } of delta.latencies) {
    for (const { latencies } of stepsAt(at)) {
      addTo(latencies, stepFields.clockSkewed, clockSkewed);
      for (const [bucket, count] of histogram) addTo(latencies, latenciesFrom + bucketIndex(bucket), count);
    }
  }

  return {
    steps: [...steps.keys()],
    additions: JSON.stringify({
      types: types.names,
      totals: flat(totals),
      steps: [...steps].map(([name, { expires, latencies, counts }]) => {
        return { name, expires, latencies: flat(latencies), counts: flat(counts) };
      }),
    }),
    entry: encodeEntry(update),
    recent: newest(update.recent),
  };
}

/** Index, count, index, count, … of what is not 0. */
function flat({ values }: Counters): number[] {
  const pairs: number[] = [];
  for (let index = 0; index < values.length; index += 1) if (values[index] !== 0) pairs.push(index, values[index]!);
  return pairs;
}

/** The newest, as many as may be published. */
function newest(recent: readonly RecentEvent[]): PreparedUpdate['recent'] {
  let bytes = 0;
  const texts: (readonly [number, string])[] = [];
  for (const event of recent.toSorted((a, b) => b.receivedAt - a.receivedAt)) {
    const text = JSON.stringify(event);
    bytes += Buffer.byteLength(text);
    if (texts.length > 0 && bytes > limits.metricsPublishedBytesMax) break;
    texts.push([event.receivedAt, text]);
  }
  return texts;
}

/** One update in the journal. */
export interface JournalEntry {
  readonly previousToken: string;
  readonly watermark: MetricsWatermark;
  readonly delta: RollupDelta;
}

type Row = readonly [at: number, type: number, stored: number, duplicate: number, failed: number];
type Entry = readonly [
  previousToken: string,
  watermark: MetricsWatermark,
  types: readonly string[],
  counts: readonly Row[],
  latencies: readonly (readonly [at: number, clockSkewed: number, histogram: HistogramPairs])[],
];

function encodeEntry({ previousToken, watermark, delta }: Omit<MetricsUpdate, 'recent' | 'partition'>): string {
  const { logNo, nextOffset, commitToken } = watermark;
  const types = createTypeNumbers();
  const counts = delta.counts.map(({ at, eventType, stored, duplicate, failed }): Row => {
    return [at, types.numberOf(eventType), stored, duplicate, failed];
  });
  const latencies = delta.latencies.map(({ at, clockSkewed, histogram }) => [at, clockSkewed, histogram] as const);
  const entry: Entry = [previousToken, { logNo, nextOffset, commitToken }, types.names, counts, latencies];
  return JSON.stringify(entry);
}

export function decodeEntry(text: string): JournalEntry {
  const [previousToken, watermark, types, counts, latencies] = JSON.parse(text) as Entry;
  return {
    previousToken,
    watermark,
    delta: {
      counts: counts.map(([at, type, stored, duplicate, failed]) => {
        return { at, eventType: types[type]!, stored, duplicate, failed };
      }),
      latencies: latencies.map(([at, clockSkewed, histogram]) => ({ at, clockSkewed, histogram })),
    },
  };
}
