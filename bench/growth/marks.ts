import type { Mark } from '../measurement.ts';
import type { BacklogResult } from './backlog.ts';
import type { ClientsResult } from './clients.ts';
import type { GrownReads, Reads } from './grown.ts';
import type { ReadTimes } from './reads.ts';
import type { RedisMemory } from './redis-memory.ts';
import type { RowsAtSize } from './rows-at-size.ts';

/** Of medians; and what a timer or a neighbour makes of a read that takes less than a millisecond. */
const readRatioMax = 1.25;
const readMsMore = 1;
const clientsCoresMax = 0.1;
/** 1.2 KiB: 392 steps of a day, 3 bytes each, and a name. */
const bytesPerTypeMax = 1_229;
const backlogRatioMin = 0.9;
const quietP99MsMax = 1_000;
const rebuildMsMax = 5_000;
const rowsRatioMin = 0.8;

export function readsMark(number: string, where: string, { fewRows, manyRows, times }: Reads): Mark {
  const isSame = ({ few, many }: ReadTimes) => many.p50 <= few.p50 * readRatioMax || many.p50 <= few.p50 + readMsMore;
  const slower = times.filter((time) => !isSame(time));
  const worst = times.toSorted((a, b) => b.many.p50 - b.few.p50 - (a.many.p50 - a.few.p50))[0]!;
  return {
    number,
    what: `${where}: ${times.length} kinds of reads at ${fewRows} and at ${manyRows} stored events`,
    figure:
      `${times.length - slower.length} take the same time; the most is added to "${worst.name}": ` +
      `${worst.few.p50.toFixed(1)} to ${worst.many.p50.toFixed(1)} ms`,
    mustBe: `all, to ${readRatioMax} × or ${readMsMore} ms more in the median`,
    held: slower.length === 0,
  };
}

export function clientsMark(where: string, { clients, allCores, withoutCores }: ClientsResult): Mark {
  const cores = allCores - withoutCores;
  return {
    number: '6c',
    what: `${clients} clients of the live stream, ${where}`,
    figure: `${(cores * 100).toFixed(1)} % of a core`,
    mustBe: `< ${clientsCoresMax * 100} %`,
    held: cores < clientsCoresMax,
  };
}

export function memoryMark({ bytesPerType }: RedisMemory): Mark {
  const most = Math.max(...bytesPerType.map(({ bytes }) => bytes));
  return {
    number: '6d',
    what: 'Redis memory of an event type that occurs in every step of a day, in one partition',
    figure: `${Math.round(most)} bytes`,
    mustBe: `≤ ${bytesPerTypeMax} bytes`,
    held: most <= bytesPerTypeMax,
  };
}

export function backlogMarks({ events, rowsPerSecond, shortRowsPerSecond, quietMs, busy }: BacklogResult): Mark[] {
  const short = shortRowsPerSecond.reduce((sum, rate) => sum + rate, 0) / shortRowsPerSecond.length;
  const isWhole = busy.stored === busy.sent && busy.counted === busy.sent && busy.inOrder && !busy.overtook;
  return [
    {
      number: '8a',
      what: `a backlog of ${events} events over a short one, rows/s`,
      figure: (rowsPerSecond / short).toFixed(2),
      mustBe: `≥ ${backlogRatioMin}`,
      held: rowsPerSecond / short >= backlogRatioMin,
    },
    {
      number: '8a',
      what: 'meanwhile, an event of a partition without a backlog: sent → on the dashboard',
      figure: `p99 ${Math.round(quietMs.p99)} ms of ${quietMs.samples}`,
      mustBe: `≤ ${quietP99MsMax} ms`,
      held: quietMs.samples > 0 && quietMs.p99 <= quietP99MsMax,
    },
    {
      number: '8a',
      what: 'meanwhile, events into a partition with a backlog: stored behind it, in order, and counted',
      figure: `${busy.sent} sent, ${busy.stored} stored, ${busy.counted} counted${busy.inOrder ? '' : ', OUT OF ORDER'}${busy.overtook ? ', OVERTAKEN' : ''}`,
      mustBe: 'the same, in order, none overtaken',
      held: isWhole,
    },
  ];
}

export function rebuildMark(where: string, { reads, rebuilds }: GrownReads): Mark {
  const most = Math.max(...rebuilds.flatMap(({ result }) => result.commandMs));
  return {
    number: '8b',
    what: `all metrics on Redis made anew from ${reads.manyRows} stored events, ${where}`,
    figure: `${(most / 1000).toFixed(1)} s at most`,
    mustBe: `≤ ${rebuildMsMax / 1000} s`,
    held: most <= rebuildMsMax,
  };
}

export function rowsMark({ rowsStored, ratio, ids }: RowsAtSize): Mark {
  return {
    number: '9a',
    what: `rows/s at ${rowsStored} stored rows over rows/s at 0, ids ${ids}`,
    figure: ratio.median.toFixed(2),
    mustBe: `≥ ${rowsRatioMin}`,
    held: ratio.median >= rowsRatioMin,
  };
}
