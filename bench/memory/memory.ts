import type { Mark, Measured, Measurement, Setup } from '../measurement.ts';
import { lines, whole } from '../parts/text.ts';
import type { MemoryUsage } from '../parts/usage.ts';
import { type MemoryResult, measureEmbedded } from './embedded.ts';

/** Millions of bytes, as the marks are set; figures are resident MiB. */
const mbOf = (mebibytes: number) => (mebibytes * 2 ** 20) / 1e6;
const idleMbMax = 120;
const topMbMax = 350;

export const memory: Measurement = { name: 'memory', isDefault: true, measure };

async function measure(setup: Setup): Promise<Measured> {
  const embedded = await measureEmbedded(setup);
  return { result: { embedded }, text: memoryText(embedded), marks: marksOf(embedded), accounts: [] };
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

function memoryText(result: MemoryResult): string {
  const mb = ({ rssMb, fileMb }: MemoryUsage) =>
    `${whole(rssMb)} MiB${fileMb === null ? '' : `, of it ${whole(fileMb)} pages of files`}`;
  return lines('Embedded: resident memory', [
    ['idle, empty directory', mb(result.idle)],
    ['peak, single events at top rate', mb(result.singlePeak)],
    ['peak, NDJSON of 1,000 at top rate', mb(result.batchPeak)],
    ['afterwards, everything stored', mb(result.after)],
    ['start until it listens', `${whole(result.startMs)} ms`],
  ]);
}
