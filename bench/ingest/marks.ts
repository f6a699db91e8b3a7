import type { Mark } from '../measurement.ts';
import { cpuRatioOf, ratioOf, type SideResult } from '../parts/rounds.ts';
import type { EmbeddedIngest } from './embedded.ts';
import type { KafkaIngest } from './kafka.ts';

const peerRatioMin = 1;
const bareRatioMin = 0.55;
const p99MsMore = 2;
const embeddedRatioMin = 0.4;
/** A worker that is done so soon after the load ends has kept up with it. */
const drainSecondsMax = 2;
/**
 * Two processes of which each has as many clients as the one, and needs 1 / 0.85 of its processor time an event, do 1.7
 * times its work on cores of their own. With half the clients each they would not be as busy as it is: their appends
 * would be half as large.
 */
const scalingMin = 1.7;
/** Two processes, a broker with its two threads, and a generator. */
const scalingCoresMin = 6;

export function kafkaMarks({ threaded, one, several, peer, bare, processes }: KafkaIngest, cores: number): Mark[] {
  const marks: Mark[] = [];
  // The peer uses all cores as well.
  const judged = threaded ?? one;
  if (peer !== null) {
    marks.push(ratioMark('1a', judged, peer, peerRatioMin), tailMark(judged, peer));
  }
  if (bare !== null) marks.push(ratioMark('1b', judged, bare, bareRatioMin));
  return [...marks, scalingMark(one, several, processes, cores)];
}

function ratioMark(number: string, side: SideResult, beside: SideResult, min: number): Mark {
  const ratio = ratioOf(side, beside).median;
  return {
    number,
    what: `on Kafka: single POST, ${side.name} over ${beside.name}`,
    figure: ratio.toFixed(2),
    mustBe: `≥ ${min.toFixed(2)}`,
    held: ratio >= min,
  };
}

function tailMark(side: SideResult, beside: SideResult): Mark {
  const [own, others] = [side.p99Ms.median, beside.p99Ms.median];
  return {
    number: '1c',
    what: `on Kafka: p99 of a single POST beside ${beside.name}`,
    figure: `${own.toFixed(1)} ms, ${others.toFixed(1)} ms`,
    mustBe: `≤ its + ${p99MsMore} ms`,
    held: own <= others + p99MsMore,
  };
}

export function scalingMark(one: SideResult, several: SideResult, processes: number, cores: number): Mark {
  const costMax = processes / scalingMin;
  const cost = cpuRatioOf(several, one).median;
  const rate = ratioOf(several, one).median;
  const isRateDue = cores >= scalingCoresMin;
  return {
    number: '1e',
    what: `on Kafka: CPU s of a single POST of ${processes} API processes, each with as many clients, over that of one`,
    figure: `${cost.toFixed(2)}, at ${rate.toFixed(2)} of its rate`,
    mustBe: `≤ ${costMax.toFixed(2)}${isRateDue ? `, ≥ ${scalingMin}` : ` (the rate counts from ${scalingCoresMin} cores on)`}`,
    held: cost <= costMax && (!isRateDue || rate >= scalingMin),
  };
}

export function embeddedMark({ ratio, drainSeconds, backlog }: EmbeddedIngest): Mark {
  return {
    number: '1d',
    what: 'embedded: single POST over bare node:http, the worker keeping up',
    figure:
      `${ratio.median.toFixed(2)}, everything stored ${drainSeconds.max.toFixed(1)} s after the end ` +
      `(backlog ${Math.round(backlog.max)})`,
    mustBe: `≥ ${embeddedRatioMin}, stored within ${drainSecondsMax} s`,
    held: ratio.median >= embeddedRatioMin && drainSeconds.max <= drainSecondsMax,
  };
}
