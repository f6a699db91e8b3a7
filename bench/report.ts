import type { Machine } from './machine.ts';
import type { Mark } from './marks.ts';
import type { Account } from './measure/account.ts';
import type { IngestResult, IngestSide } from './measure/ingest.ts';
import type { LatencyResult } from './measure/latency.ts';
import type { MemoryResult } from './measure/memory.ts';
import type { ProcessingResult } from './measure/processing.ts';
import type { ProductionResult } from './measure/production.ts';
import type { Quantiles, Spread } from './measure/statistics.ts';
import type { MemoryUsage } from './measure/usage.ts';

/** Others that kept more than this of a core busy have disturbed a measurement. */
const otherCoresMax = 0.15;
/** Beyond this the generator is at its own end. */
const generatorCoresMax = 0.9;

const whole = (value: number) => Math.round(value).toLocaleString('en');
const fixed = (digits: number) => (value: number) => value.toFixed(digits);

function show({ median, min, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)} to ${format(max)})`;
}

function lines(title: string, rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return [title, ...rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`)].join('\n');
}

export function machineText(machine: Machine): string {
  const { cpu, cores, memoryGb, system, node, flushMs } = machine;
  const memory = machine.isDirectoryInMemory ? '\n  ! the data directory is in memory: nothing here is durable' : '';
  const busy =
    machine.loadAverage > 0.5 ? `\n  ! load average ${machine.loadAverage.toFixed(1)} before the first round` : '';
  return (
    `${cores} × ${cpu}, ${memoryGb} GiB, ${system}, Node ${node}; ` +
    `a flush of 4 KiB takes ${flushMs.p50.toFixed(2)} ms (p99 ${flushMs.p99.toFixed(2)})${memory}${busy}`
  );
}

export function ingestText(result: IngestResult): string {
  const { product, bare, eventsPerRequest, connections } = result;
  const perRequest = eventsPerRequest === 1 ? 'single events' : `NDJSON of ${whole(eventsPerRequest)} events`;
  const eventsPerSecond = ({ requestsPerSecond: { median, min, max } }: IngestSide) => ({
    median: median * eventsPerRequest,
    min: min * eventsPerRequest,
    max: max * eventsPerRequest,
  });
  const threads = partsText(product.threadCpuSecondsPer100k);
  return lines(`Ingest, ${perRequest} of 200 bytes over ${connections} connections`, [
    ['product, events/s', show(eventsPerSecond(product), whole)],
    ['bare node:http, events/s', show(eventsPerSecond(bare), whole)],
    ['product / bare', show(result.ratio, fixed(2))],
    ['product, p50 and p99 ms', `${show(product.p50Ms, fixed(1))}, ${show(product.p99Ms, fixed(1))}`],
    ['bare, p50 and p99 ms', `${show(bare.p50Ms, fixed(1))}, ${show(bare.p99Ms, fixed(1))}`],
    ['backlog when the load ended', show(product.backlog, whole)],
    ['… stored after, seconds', show(product.drainSeconds, fixed(2))],
    ['stored, events/s', show(product.storedPerSecond, whole)],
    ['CPU s / 100,000 events, product', `${show(product.cpuSecondsPer100k, fixed(2))}: ${threads}`],
    ['… bare', show(bare.cpuSecondsPer100k, fixed(2))],
    [
      '… generator (product, bare)',
      [product, bare].map((s) => s.generatorCpuSecondsPer100k.median.toFixed(2)).join(', '),
    ],
    ['account', accountText(result.account)],
    ...loadWarnings(result),
    ...disturbance(result.otherCores.max),
  ]);
}

/** Processor seconds by thread or process; what took next to nothing is left out. */
function partsText(parts: Readonly<Record<string, Spread>>): string {
  return Object.entries(parts)
    .filter(([, { median }]) => median >= 0.005)
    .map(([name, { median }]) => `${name} ${median.toFixed(2)}`)
    .join(', ');
}

type Compared = Pick<IngestResult, 'refusals' | 'firstRefusal'> & Record<'bare' | 'product', IngestSide>;

function loadWarnings(result: Compared): [string, string][] {
  const found: [string, string][] = [];
  const generatorCores = Math.max(result.bare.generatorCores.max, result.product.generatorCores.max);
  if (generatorCores > generatorCoresMax) {
    found.push(['! generator', `kept ${generatorCores.toFixed(2)} cores busy: it may be what was measured`]);
  }
  if (result.refusals > 0) found.push(['! refused', `${result.refusals} requests, the first: ${result.firstRefusal}`]);
  return found;
}

function disturbance(otherCores: number): [string, string][] {
  if (otherCores <= otherCoresMax) return [];
  return [['! disturbed', `other programs kept up to ${otherCores.toFixed(2)} cores busy`]];
}

function accountText({ accepted, stored, idsChecked, lost, doubled, ledgerAgrees }: Account): string {
  const ids = idsChecked > 0 ? `, ${whole(idsChecked)} ids looked up` : '';
  const agrees = ledgerAgrees ? 'the ledger agrees' : 'THE LEDGER DISAGREES';
  const verdict = lost === 0 && doubled === 0 && ledgerAgrees ? '' : ': THE FIGURES ABOVE DO NOT COUNT';
  return `${whole(accepted)} accepted, ${whole(stored)} stored, ${lost} lost, ${doubled} doubled${ids}; ${agrees}${verdict}`;
}

export function processingText(result: ProcessingResult): string {
  const threads = partsText(result.threadCpuSecondsPer100k);
  return lines(`Processing a backlog of ${whole(result.events)} events`, [
    ['product, rows/s', show(result.rowsPerSecond, whole)],
    ['bare SQLite inserts, rows/s', show(result.bareRowsPerSecond, whole)],
    ['product / bare', show(result.ratio, fixed(2))],
    ['CPU s / 100,000 events', `${show(result.cpuSecondsPer100k, fixed(2))}: ${threads}`],
    ['account', accountText(result.account)],
    ...disturbance(result.otherCores.max),
  ]);
}

export function latencyText(result: LatencyResult): string {
  const ms = ({ p50, p99, max }: Omit<Quantiles, 'samples'>) =>
    `p50 ${p50.toFixed(1)}, p99 ${p99.toFixed(1)}, max ${max.toFixed(1)}`;
  const own = result.ownStored;
  return lines(`Latency in ms at half of the top rate, ${whole(result.requestsPerSecond)} requests/s`, [
    ['POST → 202', ms(result.accept)],
    ['… of bare node:http', ms(result.bareAccept)],
    ['POST → dashboard', `${ms(result.dashboard)} (${result.dashboard.samples} events)`],
    ['POST → stored', `${ms(result.stored)} (${result.stored.samples} events, ?wait=stored)`],
    ['received → stored, own figure', `p50 ${own.p50}, p95 ${own.p95}, p99 ${own.p99} (all events)`],
    ['backlog at the end', whole(result.backlog)],
    ['account', accountText(result.account)],
    ...disturbance(result.otherCores),
  ]);
}

export function memoryText(result: MemoryResult): string {
  const mb = ({ rssMb, fileMb }: MemoryUsage) =>
    `${whole(rssMb)} MiB${fileMb === null ? '' : `, of it ${whole(fileMb)} pages of files`}`;
  return lines('Resident memory', [
    ['idle, empty directory', mb(result.idle)],
    ['peak, single events at top rate', mb(result.singlePeak)],
    ['peak, NDJSON of 1,000 at top rate', mb(result.batchPeak)],
    ['afterwards, everything stored', mb(result.after)],
    ['start until it listens', `${whole(result.startMs)} ms`],
  ]);
}

export function productionText(result: ProductionResult): string {
  const { product, bare } = result;
  return [
    lines(`On Kafka: single events of 200 bytes over ${result.connections} connections, no worker meanwhile`, [
      ['esp api, events/s', show(product.requestsPerSecond, whole)],
      ['bare node:http, events/s', show(bare.requestsPerSecond, whole)],
      ['esp api / bare', show(result.ratio, fixed(2))],
      ['esp api, p50 and p99 ms', `${show(product.p50Ms, fixed(1))}, ${show(product.p99Ms, fixed(1))}`],
      ['bare, p50 and p99 ms', `${show(bare.p50Ms, fixed(1))}, ${show(bare.p99Ms, fixed(1))}`],
      [
        'CPU s / 100,000 events, esp api',
        `${show(product.cpuSecondsPer100k, fixed(2))}: ${partsText(product.threadCpuSecondsPer100k)}`,
      ],
      ['… bare', show(bare.cpuSecondsPer100k, fixed(2))],
      ...loadWarnings(result),
    ]),
    lines('On Kafka: NDJSON of 1,000 events', [
      ['esp api, events/s', show(result.batchEventsPerSecond, whole)],
      ["Kafka's own producer, records/s", show(result.producerRecordsPerSecond, whole)],
      ['esp api / producer', show(result.batchRatio, fixed(2))],
    ]),
    lines('Into PostgreSQL, with Redis', [
      ['esp worker, rows/s', show(result.rowsPerSecond, whole)],
      ['COPY of the same rows, rows/s', show(result.copyRowsPerSecond, whole)],
      ['esp worker / COPY', show(result.copyRatio, fixed(2))],
      ['CPU s / 100,000 events', partsText(result.storingCpuSecondsPer100k)],
      ['esp worker, peak resident', `${whole(result.workerPeakMb)} MiB`],
      ['account', accountText(result.account)],
    ]),
  ].join('\n\n');
}

export function markText({ number, what, figure, mustBe, held }: Mark): string {
  return `mark ${number}  ${held ? 'held ' : 'SHORT'}  ${what}: ${figure}; must be ${mustBe}`;
}
