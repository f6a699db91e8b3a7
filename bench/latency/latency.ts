import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import type { Quantiles } from '../parts/statistics.ts';
import { accountText, disturbance, leftOutText, lines, whole } from '../parts/text.ts';
import { measureEmbedded } from './embedded.ts';
import type { LatencyResult } from './half-of-top.ts';
import { measureOnKafka } from './kafka.ts';

const dashboardP99MsMax = 250;
const storedP50MsMax = 20;
const storedP99MsMax = 100;

export const latency: Measurement = { name: 'latency', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup);
  const servers = await setup.servers();
  const kafka = 'leftOut' in servers ? [] : [await measureOnKafka(setup, servers)];
  const ofBare: Row = ['… of bare node:http', ms(embedded.bareAccept)];
  const kafkaPart =
    'leftOut' in servers
      ? [leftOutText(servers)]
      : kafka.map((found) => latencyText('On Kafka, PostgreSQL and Redis', found, []));
  return {
    result: { embedded, kafka: kafka[0] ?? null },
    text: [latencyText('Embedded', embedded, [ofBare]), ...kafkaPart].join('\n\n'),
    marks: [
      ...marksOf('embedded', ['4a', '4b'], embedded),
      ...kafka.flatMap((found) => marksOf('on Kafka', ['4c', '4d'], found)),
    ],
    accounts: [embedded, ...kafka].map(({ account }) => account),
  };
}

function marksOf(where: string, numbers: readonly [string, string], result: LatencyResult): Mark[] {
  const { dashboard, stored } = result;
  return [
    {
      number: numbers[0],
      what: `${where}, at half of what is stored for good: sent → on the dashboard`,
      figure: `p99 ${dashboard.p99.toFixed(0)} ms`,
      mustBe: `≤ ${dashboardP99MsMax} ms`,
      held: dashboard.p99 <= dashboardP99MsMax,
    },
    {
      number: numbers[1],
      what: `${where}, at half of what is stored for good: sent → stored`,
      figure: `p50 ${stored.p50.toFixed(0)} ms, p99 ${stored.p99.toFixed(0)} ms`,
      mustBe: `≤ ${storedP50MsMax} ms, ≤ ${storedP99MsMax} ms`,
      held: stored.p50 <= storedP50MsMax && stored.p99 <= storedP99MsMax,
    },
  ];
}

type Row = [name: string, value: string];

function ms({ p50, p99, max }: Omit<Quantiles, 'samples'>): string {
  return `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)}`;
}

function latencyText(where: string, result: LatencyResult, more: readonly Row[]): string {
  const own = result.ownStored;
  return lines(
    `${where}: latency in ms at half of what is stored for good, ${whole(result.requestsPerSecond)} requests/s`,
    [
      ['POST → 202', ms(result.accept)],
      ...more,
      ['POST → dashboard', `${ms(result.dashboard)} (${result.dashboard.samples} events)`],
      ['POST → stored', `${ms(result.stored)} (${result.stored.samples} events, ?wait=stored)`],
      ['received → stored, own figure', `p50 ${own.p50}, p95 ${own.p95}, p99 ${own.p99} (all events)`],
      ['backlog at the end', whole(result.backlog)],
      ['account', accountText(result.account)],
      ...disturbance(result.otherCores),
    ],
  );
}
