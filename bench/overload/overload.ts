import type { LoadResult } from '../load/tally.ts';
import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { accountText, disturbance, leftOutText, lines, whole } from '../parts/text.ts';
import { measureEmbedded } from './embedded.ts';
import { measureOnKafka } from './kafka.ts';
import { middleOf, type OverloadResult } from './run.ts';

const acceptedRatioMin = 0.9;
const p99RatioMax = 5;
/**
 * What the process that serves may have at most, in MiB, whatever is offered: what it may at its top rate (350 MB, and
 * 200 MB where it does nothing else), 10 KiB for each of a thousand connections, and a little. What the settings allow
 * of large requests (128 MiB on their way, 64 MiB that wait for the log) is not used by these of 200 bytes.
 */
const memoryBoundMb = { embedded: 350, kafka: 207 };

export const overload: Measurement = { name: 'overload', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup);
  const servers = await setup.servers();
  const kafka = 'leftOut' in servers ? [] : [await measureOnKafka(setup, servers)];
  const kafkaPart = 'leftOut' in servers ? [leftOutText(servers)] : kafka.map((found) => textOf('On Kafka', found));
  return {
    result: { embedded, kafka: kafka[0] ?? null },
    text: [textOf('Embedded', embedded), ...kafkaPart].join('\n\n'),
    marks: [
      ...marksOf('embedded', 0, embedded, memoryBoundMb.embedded),
      ...kafka.flatMap((found) => marksOf('on Kafka', 5, found, memoryBoundMb.kafka)),
    ],
    accounts: [embedded, ...kafka].map(({ account }) => account),
  };
}

function marksOf(where: string, from: number, result: OverloadResult, boundMb: number): Mark[] {
  const { offered, alone, top, account, peak } = result;
  const { requestsPerSecond, latencyMs } = offered.accepted;
  const topRate = middleOf(top, ({ accepted }) => accepted.requestsPerSecond);
  const rateAlone = middleOf(alone, (one) => one.requestsPerSecond);
  const ratio = requestsPerSecond / topRate;
  // A top rate of which something was refused is none to compare with.
  const isTop =
    [top.before, top.after].every(({ refused }) => refused === 0) &&
    [alone.before, alone.after].every(({ refusals }) => Object.keys(refusals).length === 0);
  const p99Ratio = latencyMs.p99 / middleOf(alone, (one) => one.latencyMs.p99);
  const others = Object.values(offered.others).reduce((sum, count) => sum + count, 0);
  const at = `${where}, ${offered.accepted.seconds} s at twice what ${result.underWay} clients reach`;
  const marks: Omit<Mark, 'number'>[] = [
    {
      what: `${at}: refused with 503 and retry-after`,
      figure: `${offered.refused}, ${offered.withoutRetryAfter} of them without, ${others} other answers`,
      mustBe: '> 0, 0, 0',
      held: offered.refused > 0 && offered.withoutRetryAfter === 0 && others === 0,
    },
    {
      what: `${at}: accepted, of the rate with ${result.underWay} under way over the same connections`,
      figure: `${ratio.toFixed(2)} (${(requestsPerSecond / rateAlone).toFixed(2)} of what ${result.underWay} clients alone reach)`,
      mustBe: `≥ ${acceptedRatioMin}`,
      held: isTop && ratio >= acceptedRatioMin,
    },
    {
      what: `${at}: p99 of the accepted over theirs`,
      figure: p99Ratio.toFixed(1),
      mustBe: `≤ ${p99RatioMax}`,
      held: isTop && p99Ratio <= p99RatioMax,
    },
    {
      what: `${at}: peak memory of the process that serves`,
      figure: `${Math.round(peak.rssMb)} MiB`,
      mustBe: `≤ ${boundMb} MiB`,
      held: peak.rssMb <= boundMb,
    },
    {
      what: `${at}: accepted and lost, doubled`,
      figure: `${account.lost}, ${account.doubled} of ${account.accepted}`,
      mustBe: '0, 0',
      held: account.lost === 0 && account.doubled === 0 && account.ledgerAgrees,
    },
  ];
  return marks.map((mark, index) => ({ number: `5${String.fromCharCode(97 + from + index)}`, ...mark }));
}

function textOf(where: string, result: OverloadResult): string {
  const { alone, top, offered, peak, alonePeak, underWay } = result;
  const { seconds } = offered.accepted;
  const perSecond = (count: number) => `${whole(count / seconds)}/s`;
  const ms = ({ p50, p99, max }: LoadResult['latencyMs']) =>
    `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)} ms`;
  const both = (before: LoadResult, after: LoadResult) =>
    `${whole(before.requestsPerSecond)}/s before, ${whole(after.requestsPerSecond)}/s after; ${ms(before.latencyMs)}`;
  const { refusedLatencyMs } = offered;
  const refusedText = refusedLatencyMs === null ? 'none' : `${perSecond(offered.refused)}; ${ms(refusedLatencyMs)}`;
  return lines(
    `${where}: ${whole(seconds)} s at twice what ${underWay} clients reach, ${whole(result.clients)} clients`,
    [
      [`${underWay} clients alone`, both(alone.before, alone.after)],
      [`${underWay} of them at a time, in turn`, both(top.before.accepted, top.after.accepted)],
      ['due, sent', `${perSecond(offered.due)}, ${perSecond(offered.sent)}`],
      ['… while all clients waited, not sent', perSecond(offered.heldBack)],
      ['accepted', `${whole(offered.accepted.requestsPerSecond)}/s; ${ms(offered.accepted.latencyMs)} from sending`],
      ['refused with 503', refusedText],
      [
        'resident memory',
        `${whole(alonePeak.rssMb)} MiB with ${underWay} clients alone, ${whole(peak.rssMb)} at twice that`,
      ],
      ['cores of the generator', (offered.cpuSeconds / seconds).toFixed(2)],
      ['account', accountText(result.account)],
      ...disturbance(result.otherCores),
    ],
  );
}
