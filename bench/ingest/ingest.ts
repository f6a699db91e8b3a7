import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { accountText, disturbance, fixed, lines, loadWarnings, partsText, show, whole } from '../parts/text.ts';
import { type EmbeddedIngest, measureEmbedded } from './embedded.ts';
import { type KafkaIngest, measureOnKafka } from './kafka.ts';

const single = { connections: 64, eventsPerRequest: 1, form: 'json' } as const;

/** A worker that is done so soon after the load ends has kept up with it. */
const drainSecondsMax = 2;

export const ingest: Measurement = { name: 'ingest', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup, single);
  const servers = await setup.servers();
  const kafka = 'leftOut' in servers ? null : await measureOnKafka(setup, servers, single);
  const kafkaPart = kafka === null ? `left out: ${(servers as { leftOut: string }).leftOut}` : kafkaText(kafka);
  return {
    result: { embedded, kafka },
    text: [embeddedText(embedded), kafkaPart].join('\n\n'),
    marks: [...(kafka === null ? [] : [kafkaMark(kafka)]), embeddedMark(embedded)],
    accounts: [embedded.account, ...(kafka === null ? [] : [kafka.account])],
  };
}

function embeddedMark({ ratio, drainSeconds, backlog }: EmbeddedIngest): Mark {
  return {
    number: '1d',
    what: 'embedded: single POST over bare node:http, the worker keeping up',
    figure:
      `${ratio.median.toFixed(2)}, everything stored ${drainSeconds.max.toFixed(1)} s after the end ` +
      `(backlog ${Math.round(backlog.max)})`,
    mustBe: `≥ 0.4, stored within ${drainSecondsMax} s`,
    held: ratio.median >= 0.4 && drainSeconds.max <= drainSecondsMax,
  };
}

function kafkaMark({ ratio }: KafkaIngest): Mark {
  return {
    number: '1b',
    what: 'on Kafka: single POST over bare node:http',
    figure: ratio.median.toFixed(2),
    mustBe: '≥ 0.55',
    held: ratio.median >= 0.55,
  };
}

function embeddedText(result: EmbeddedIngest): string {
  const { product, bare, load } = result;
  return lines(`Embedded: single events of 200 bytes over ${load.connections} connections`, [
    ['product, events/s', show(product.eventsPerSecond, whole)],
    ['bare node:http, events/s', show(bare.eventsPerSecond, whole)],
    ['product / bare', show(result.ratio, fixed(2))],
    ['product, p50 and p99 ms', `${show(product.p50Ms, fixed(1))}, ${show(product.p99Ms, fixed(1))}`],
    ['bare, p50 and p99 ms', `${show(bare.p50Ms, fixed(1))}, ${show(bare.p99Ms, fixed(1))}`],
    ['backlog when the load ended', show(result.backlog, whole)],
    ['… stored after, seconds', show(result.drainSeconds, fixed(2))],
    ['stored, events/s', show(result.storedPerSecond, whole)],
    [
      'CPU s / 100,000 events, product',
      `${show(product.cpuSecondsPer100k, fixed(2))}: ${partsText(product.threadCpuSecondsPer100k)}`,
    ],
    ['… bare', show(bare.cpuSecondsPer100k, fixed(2))],
    ['account', accountText(result.account)],
    ...loadWarnings([bare, product]),
    ...disturbance(Math.max(bare.otherCores.max, product.otherCores.max)),
  ]);
}

function kafkaText(result: KafkaIngest): string {
  const { product, bare, load } = result;
  return lines(`On Kafka: single events of 200 bytes over ${load.connections} connections, no worker meanwhile`, [
    ['esp api, events/s', show(product.eventsPerSecond, whole)],
    ['bare node:http, events/s', show(bare.eventsPerSecond, whole)],
    ['esp api / bare', show(result.ratio, fixed(2))],
    ['esp api, p50 and p99 ms', `${show(product.p50Ms, fixed(1))}, ${show(product.p99Ms, fixed(1))}`],
    ['bare, p50 and p99 ms', `${show(bare.p50Ms, fixed(1))}, ${show(bare.p99Ms, fixed(1))}`],
    [
      'CPU s / 100,000 events, esp api',
      `${show(product.cpuSecondsPer100k, fixed(2))}: ${partsText(product.threadCpuSecondsPer100k)}`,
    ],
    ['… bare', show(bare.cpuSecondsPer100k, fixed(2))],
    ['account', accountText(result.account)],
    ...loadWarnings([bare, product]),
  ]);
}
