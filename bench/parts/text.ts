import type { LeftOut, Mark } from '../measurement.ts';
import type { Account } from './account.ts';
import type { Machine } from './machine.ts';
import type { SideResult } from './rounds.ts';
import type { Spread } from './statistics.ts';

/** Others that kept more than this of a core busy have disturbed a measurement. */
const otherCoresMax = 0.15;
/** Beyond this the generator is at its own end. */
const generatorCoresMax = 0.9;

export const whole = (value: number) => Math.round(value).toLocaleString('en');
export const fixed = (digits: number) => (value: number) => value.toFixed(digits);

export function show({ median, min, max }: Spread, format: (value: number) => string): string {
  return `${format(median)} (${format(min)} to ${format(max)})`;
}

export function lines(title: string, rows: readonly (readonly [name: string, value: string])[]): string {
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

/** Processor seconds by thread or process; what took next to nothing is left out. */
export function partsText(parts: Readonly<Record<string, Spread>>): string {
  return Object.entries(parts)
    .filter(([, { median }]) => median >= 0.005)
    .map(([name, { median }]) => `${name} ${median.toFixed(2)}`)
    .join(', ');
}

export function loadWarnings(sides: readonly SideResult[]): [string, string][] {
  const found: [string, string][] = [];
  const generatorCores = Math.max(...sides.map((side) => side.generatorCores.max));
  if (generatorCores > generatorCoresMax) {
    found.push(['! generator', `kept ${generatorCores.toFixed(2)} cores busy: it may be what was measured`]);
  }
  for (const { name, refusals, firstRefusal } of sides) {
    if (refusals > 0) found.push(['! refused', `${name}: ${refusals} requests, the first: ${firstRefusal}`]);
  }
  return found;
}

export function disturbance(otherCores: number): [string, string][] {
  if (otherCores <= otherCoresMax) return [];
  return [['! disturbed', `other programs kept up to ${otherCores.toFixed(2)} cores busy`]];
}

export function accountText({
  accepted,
  duplicates = 0,
  stored,
  idsChecked,
  lost,
  doubled,
  ledgerAgrees,
}: Account): string {
  const ids = idsChecked > 0 ? `, ${whole(idsChecked)} ids looked up` : '';
  const again = duplicates > 0 ? ` (${whole(duplicates)} of them duplicates)` : '';
  const agrees = ledgerAgrees ? 'the ledger agrees' : 'THE LEDGER DISAGREES';
  const verdict = lost === 0 && doubled === 0 && ledgerAgrees ? '' : ': THE FIGURES ABOVE DO NOT COUNT';
  return `${whole(accepted)} accepted${again}, ${whole(stored)} stored, ${lost} lost, ${doubled} doubled${ids}; ${agrees}${verdict}`;
}

export function leftOutText({ leftOut }: LeftOut): string {
  return `left out: ${leftOut}`;
}

export function markText({ number, what, figure, mustBe, held }: Mark): string {
  return `mark ${number}  ${held ? 'held ' : 'SHORT'}  ${what}: ${figure}; must be ${mustBe}`;
}
