import type { Account } from './account.ts';
import type { SideResult } from './rounds.ts';
import { accountText, disturbance, fixed, loadWarnings, partsText, show, whole } from './text.ts';

/** A row for each side that took turns: what it reached, and what processor time for 100,000 events it took of whom. */
export function sideRows(sides: readonly SideResult[]): [string, string][] {
  return sides.map((side) => {
    const cpu = partsText({
      itself: side.cpuSecondsPer100k,
      ...side.behindCpuSecondsPer100k,
      generator: side.generatorCpuSecondsPer100k,
    });
    return [
      side.name,
      `${show(side.eventsPerSecond, whole)} events/s; p50 ${fixed(1)(side.p50Ms.median)}, p99 ${fixed(1)(side.p99Ms.median)} ms; ` +
        `CPU s / 100,000: ${cpu}`,
    ];
  });
}

/** What of the product's own processor time is whose. */
export function threadRow({ name, threadCpuSecondsPer100k }: SideResult): [string, string] {
  return [`CPU s / 100,000 of ${name}`, partsText(threadCpuSecondsPer100k)];
}

/** What goes with every comparison: its account, what of it was left out, and what makes its figures doubtful. */
export function closingRows(
  { account, leftOut = null, miscounts = [] }: Closing,
  sides: readonly SideResult[],
): (readonly [string, string])[] {
  return [
    ['account', accountText(account)],
    ...(leftOut === null ? [] : [['left out', leftOut] as const]),
    ...miscounts.map((text) => ['! baseline', text] as const),
    ...loadWarnings(sides),
    ...disturbance(Math.max(...sides.map(({ otherCores }) => otherCores.max))),
  ];
}

interface Closing {
  readonly account: Account;
  readonly leftOut?: string | null;
  readonly miscounts?: readonly string[];
}
