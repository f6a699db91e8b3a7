import { type EmbeddedIngest, measureEmbedded } from '../ingest/embedded.ts';
import type { Measured, Measurement, Setup } from '../measurement.ts';
import type { Load } from '../parts/rounds.ts';
import { accountText, disturbance, fixed, lines, loadWarnings, partsText, show, whole } from '../parts/text.ts';

const loads: readonly Load[] = [
  { connections: 16, eventsPerRequest: 100, form: 'array' },
  { connections: 4, eventsPerRequest: 10_000, form: 'ndjson' },
];

export const batch: Measurement = { name: 'batch', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  // What is accepted in a second takes longer than one to store, so half the time is as much work.
  const shorter = { ...setup, seconds: Math.max(1, setup.seconds / 2) };
  const embedded: EmbeddedIngest[] = [];
  for (const load of loads) embedded.push(await measureEmbedded(shorter, load));
  return {
    result: { embedded },
    text: embedded.map(embeddedText).join('\n\n'),
    marks: [],
    accounts: embedded.map(({ account }) => account),
  };
}

function embeddedText({ load, product, bare, ...result }: EmbeddedIngest): string {
  const form = load.form === 'array' ? 'arrays' : 'NDJSON';
  return lines(`Embedded: ${form} of ${whole(load.eventsPerRequest)} events over ${load.connections} connections`, [
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
    ['account', accountText(result.account)],
    ...loadWarnings([bare, product]),
    ...disturbance(Math.max(bare.otherCores.max, product.otherCores.max)),
  ]);
}
