import { availableParallelism } from 'node:os';
import { type EmbeddedIngest, measureEmbedded } from '../ingest/embedded.ts';
import { type KafkaIngest, measureOnKafka } from '../ingest/kafka.ts';
import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { ratioOf } from '../parts/rounds.ts';
import { closingRows, sideRows, threadRow } from '../parts/sides-text.ts';
import { fixed, leftOutText, lines, partsText, show, whole } from '../parts/text.ts';
import { batchMarks, formOf } from './marks.ts';

const arrays = { connections: 64, eventsPerRequest: 100, form: 'array' } as const;
const ndjson = { connections: 4, eventsPerRequest: 10_000, form: 'ndjson' } as const;

/** What is accepted in a second takes longer than one to store, so a part of the time is as much work. */
const embeddedSeconds = 0.2;
const kafkaSeconds = 0.15;

export const batch: Measurement = { name: 'batch', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded: EmbeddedIngest[] = [];
  for (const load of setup.isByName ? [arrays, ndjson] : []) {
    embedded.push(await measureEmbedded({ ...setup, seconds: setup.seconds * embeddedSeconds }, load));
  }
  const servers = await setup.servers();
  const kafka: KafkaIngest[] = [];
  const marks: Mark[] = [];
  if (!('leftOut' in servers)) {
    const shorter = { ...setup, seconds: setup.seconds * kafkaSeconds };
    // One for every two cores, since a broker and a generator want some too.
    const sides = {
      withBare: false,
      withThreads: false,
      processes: Math.max(2, Math.floor(availableParallelism() / 2)),
      clientsForEach: false,
    };
    kafka.push(await measureOnKafka(shorter, servers, arrays, { ...sides, withFastify: setup.isByName }));
    marks.push(...batchMarks(kafka[0]!, ['2a', '2b']));
    kafka.push(await measureOnKafka(shorter, servers, ndjson, { ...sides, withFastify: false }));
    marks.push(...batchMarks(kafka[1]!, ['2c', '2d']));
  }
  return {
    result: { embedded, kafka },
    text: [
      ...embedded.map(embeddedText),
      ...('leftOut' in servers ? [leftOutText(servers)] : kafka.map(kafkaText)),
    ].join('\n\n'),
    marks,
    accounts: [...embedded, ...kafka].map(({ account }) => account),
  };
}

function embeddedText({ load, product, bare, ...result }: EmbeddedIngest): string {
  return lines(`Embedded: ${formOf(load)} events over ${load.connections} connections`, [
    ['product, events/s', show(product.eventsPerSecond, whole)],
    ['bare node:http, events/s', show(bare.eventsPerSecond, whole)],
    ['product / bare', show(result.ratio, fixed(2))],
    ['product, p50 and p99 ms', `${show(product.p50Ms, fixed(1))}, ${show(product.p99Ms, fixed(1))}`],
    ['backlog when the load ended', show(result.backlog, whole)],
    ['stored, events/s', show(result.storedPerSecond, whole)],
    [
      'CPU s / 100,000 events, product',
      `${show(product.cpuSecondsPer100k, fixed(2))}: ${partsText(product.threadCpuSecondsPer100k)}`,
    ],
    ...closingRows(result, [bare, product]),
  ]);
}

function kafkaText({ load, one, several, peer, sides, ...result }: KafkaIngest): string {
  const ratios = peer === null ? [] : [several, one].map((side) => [side, peer] as const);
  return lines(`On Kafka: ${formOf(load)} events over ${load.connections} connections, no worker meanwhile`, [
    ...sideRows(sides),
    threadRow(one),
    threadRow(several),
    ...ratios.map(
      ([side, beside]) => [`${side.name} / ${beside.name}`, show(ratioOf(side, beside), fixed(2))] as const,
    ),
    ...closingRows(result, sides),
  ]);
}
