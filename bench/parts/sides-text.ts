import type { SideResult } from './rounds.ts';
import { fixed, partsText, show, whole } from './text.ts';

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
