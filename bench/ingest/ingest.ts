import { availableParallelism } from 'node:os';
import type { Measured, Measurement, Setup } from '../measurement.ts';
import { cpuRatioOf, ratioOf } from '../parts/rounds.ts';
import { closingRows, sideRows, threadRow } from '../parts/sides-text.ts';
import { fixed, leftOutText, lines, partsText, show, whole } from '../parts/text.ts';
import { type EmbeddedIngest, measureEmbedded } from './embedded.ts';
import { type KafkaIngest, measureOnKafka } from './kafka.ts';
import { embeddedMark, kafkaMarks } from './marks.ts';

const single = { connections: 64, eventsPerRequest: 1, form: 'json' } as const;
const kafkaSides = { withBare: true, withFastify: true, withThreads: true, processes: 2, clientsForEach: true };

export const ingest: Measurement = { name: 'ingest', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup, single);
  const servers = await setup.servers();
  // Seven sides: shorter rounds of each, or nobody would run it.
  const shorter = { ...setup, seconds: setup.seconds * 0.4 };
  const kafka = 'leftOut' in servers ? [] : [await measureOnKafka(shorter, servers, single, kafkaSides)];
  const kafkaPart = 'leftOut' in servers ? [leftOutText(servers)] : kafka.map(kafkaText);
  return {
    result: { embedded, kafka: kafka[0] ?? null },
    text: [embeddedText(embedded), ...kafkaPart].join('\n\n'),
    marks: [...kafka.flatMap((found) => kafkaMarks(found, availableParallelism())), embeddedMark(embedded)],
    accounts: [embedded, ...kafka].map(({ account }) => account),
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
    ...closingRows(result, [bare, product]),
  ]);
}

function kafkaText(result: KafkaIngest): string {
  const { threaded, one, several, peer, bare, load, sides } = result;
  const own = [threaded, one].filter((side) => side !== null);
  const beside = [peer, bare].filter((side) => side !== null);
  return lines(`On Kafka: single events of 200 bytes over ${load.connections} connections, no worker meanwhile`, [
    ...sideRows(sides),
    ...own.map(threadRow),
    threadRow(several),
    ...own.flatMap((side) =>
      beside.map((other): [string, string] => [`${side.name} / ${other.name}`, show(ratioOf(side, other), fixed(2))]),
    ),
    [`CPU s, ${several.name} / ${one.name}`, show(cpuRatioOf(several, one), fixed(2))],
    ...closingRows(result, sides),
  ]);
}
