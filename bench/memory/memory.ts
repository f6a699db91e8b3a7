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
  const api = 'leftOut' in servers ? null : await measureApi(setup, servers);
  return {
    result: { embedded, installed, api },
    text: [
      memoryText(embedded),
      startText(installed),
      'leftOut' in servers ? leftOutText(servers) : apiText(api!),
    ].join('\n\n'),
    marks: [...marksOf(embedded), ...(api === null ? [] : [apiMark(api)]), startMark(installed)],
    accounts: api === null ? [] : [api.account],
  };
}

function apiMark({ singlePeak, arraysPeak, ndjsonPeak }: ApiMemory): Mark {
  const top = Math.max(singlePeak.rssMb, arraysPeak.rssMb, ndjsonPeak.rssMb);
  return {
    number: '7c',
    what: 'an API process, memory at top load',
    figure: `${Math.round(mbOf(top))} MB (single events ${Math.round(mbOf(singlePeak.rssMb))})`,
    mustBe: `≤ ${apiMbMax} MB`,
    held: mbOf(top) <= apiMbMax,
  };
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
    {
      number: '7a',
      what: 'embedded, idle memory',
      figure: `${Math.round(mbOf(idle.rssMb))} MB`,
      mustBe: `≤ ${idleMbMax} MB`,
      held: mbOf(idle.rssMb) <= idleMbMax,
    },
    {
      number: '7b',
      what: 'embedded, memory at top load',
      figure: `${Math.round(mbOf(top))} MB`,
      mustBe: `≤ ${topMbMax} MB`,
      held: mbOf(top) <= topMbMax,
    },
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
