import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { leftOutText, lines, show, whole } from '../parts/text.ts';
import type { MemoryUsage } from '../parts/usage.ts';
import { type ApiMemory, measureApi } from './api.ts';
import { type MemoryResult, measureEmbedded } from './embedded.ts';
import { type InstalledStart, measureInstalledStart } from './installed.ts';

/** Millions of bytes, as the marks are set; figures are resident MiB. */
const mbOf = (mebibytes: number) => (mebibytes * 2 ** 20) / 1e6;
const idleMbMax = 120;
const topMbMax = 350;
const apiMbMax = 200;
const startMsMax = 1_500;

export const memory: Measurement = { name: 'memory', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup);
  const installed = await measureInstalledStart(setup);
  const servers = await setup.servers();
  const texts = [memoryText(embedded), startText(installed)];
  const marks = [...marksOf(embedded), startMark(installed)];
  if ('leftOut' in servers) {
    return {
      result: { embedded, installed },
      text: [...texts, leftOutText(servers)].join('\n\n'),
      marks,
      accounts: [],
    };
  }
  const api = await measureApi(setup, servers);
  return {
    result: { embedded, installed, api },
    text: [...texts, apiText(api)].join('\n\n'),
    marks: [...marks, apiMark(api)],
    accounts: [api.account],
  };
}

function memoryMark(number: string, what: string, mebibytes: number, mbMax: number, besides = ''): Mark {
  return {
    number,
    what,
    figure: `${Math.round(mbOf(mebibytes))} MB${besides}`,
    mustBe: `≤ ${mbMax} MB`,
    held: mbOf(mebibytes) <= mbMax,
  };
}

function apiMark({ singlePeak, arraysPeak, ndjsonPeak }: ApiMemory): Mark {
  const top = Math.max(singlePeak.rssMb, arraysPeak.rssMb, ndjsonPeak.rssMb);
  const single = ` (single events ${Math.round(mbOf(singlePeak.rssMb))})`;
  return memoryMark('7c', 'an API process, memory at top load', top, apiMbMax, single);
}

function startMark({ readyMs }: InstalledStart): Mark {
  return {
    number: '7e',
    what: 'installed, from the start until it is ready',
    figure: `${Math.round(readyMs.median)} ms`,
    mustBe: `≤ ${startMsMax} ms`,
    held: readyMs.median <= startMsMax,
  };
}

function marksOf({ idle, singlePeak, batchPeak }: MemoryResult): Mark[] {
  const top = Math.max(singlePeak.rssMb, batchPeak.rssMb);
  return [
    memoryMark('7a', 'embedded, idle memory', idle.rssMb, idleMbMax),
    memoryMark('7b', 'embedded, memory at top load', top, topMbMax),
  ];
}

const mb = ({ rssMb, fileMb }: MemoryUsage) =>
  `${whole(rssMb)} MiB${fileMb === null ? '' : `, of it ${whole(fileMb)} pages of files`}`;

function memoryText(result: MemoryResult): string {
  return lines('Embedded: resident memory', [
    ['idle, empty directory', mb(result.idle)],
    ['peak, single events at top rate', mb(result.singlePeak)],
    ['peak, NDJSON of 1,000 at top rate', mb(result.batchPeak)],
    ['afterwards, everything stored', mb(result.after)],
    ['start until it listens', `${whole(result.startMs)} ms`],
  ]);
}

function startText({ firstMs, readyMs }: InstalledStart): string {
  return lines('Installed from the packed tarball: `esp start` until it is ready', [
    ['the very first', `${whole(firstMs)} ms`],
    ['those after it', `${show(readyMs, whole)} ms`],
  ]);
}

function apiText(result: ApiMemory): string {
  return lines('On Kafka: resident memory of one API process', [
    ['idle', mb(result.idle)],
    ['peak, single events at top rate', mb(result.singlePeak)],
    ['peak, arrays of 100', mb(result.arraysPeak)],
    ['peak, NDJSON of 10,000', mb(result.ndjsonPeak)],
  ]);
}
