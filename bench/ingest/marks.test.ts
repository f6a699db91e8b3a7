import { describe, expect, it } from 'vitest';
import type { SideResult } from '../parts/rounds.ts';
import { spreadOf } from '../parts/statistics.ts';
import type { KafkaIngest } from './kafka.ts';
import { kafkaMarks, scalingMark } from './marks.ts';

/** A round each: seconds for a hundred events, and events a second. */
const side = (cpuSeconds: number, eventsPerSecond: number, p99 = 5, name = 'side') =>
  ({
    name,
    p99Ms: spreadOf([p99]),
    eventsPerSecond: spreadOf([eventsPerSecond]),
    rounds: [{ cpuSeconds, load: { eventsPerSecond, accepted: 100 } }],
  }) as unknown as SideResult;

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

describe('single events on Kafka', () => {
  const took = (name: string, eventsPerSecond: number, p99: number) => side(1, eventsPerSecond, p99, name);
  const base = {
    bare: took('bare', 200, 1),
    peer: took('peer', 100, 5),
    one: took('one', 90, 6),
    threaded: took('threaded', 120, 8),
    several: took('several', 150, 6),
    processes: 2,
  } as unknown as KafkaIngest;
  const judge = (found: Partial<KafkaIngest>) =>
    Object.fromEntries(
      kafkaMarks({ ...base, ...found }, 2).map(({ number, figure, held }) => [number, [figure, held]]),
    );

  it('are judged by the process that uses all cores, as the peer does', () => {
    expect(judge({})).toMatchObject({ '1a': ['1.20', true], '1b': ['0.60', true], '1c': ['8.0 ms, 5.0 ms', false] });
  });

  it('are judged by the one with a thread where there is no other, and by what there is beside it', () => {
    expect(judge({ threaded: null })).toMatchObject({ '1a': ['0.90', false], '1b': ['0.45', false] });
    expect(Object.keys(judge({ threaded: null, peer: null, bare: null }))).toEqual(['1e']);
  });
});
