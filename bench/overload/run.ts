import { join } from 'node:path';
import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import type { Account } from '../parts/account.ts';
import { type Child, startChild } from '../parts/child.ts';
import { type Generator, watch } from '../parts/setup.ts';
import { type MemoryUsage, peakDuring } from '../parts/usage.ts';
import type { OfferPlan, OfferResult } from './offer.ts';

export interface OverloadResult {
  readonly clients: number;
  /** 64 clients that send again as soon as they are answered. */
  readonly normal: LoadResult;
  readonly normalPeak: MemoryUsage;
  readonly offered: OfferResult;
  /** Of the process that serves HTTP, while twice that was offered. */
  readonly peak: MemoryUsage;
  readonly otherCores: number;
  readonly account: Account;
}

/**
 * What the process that serves may have at most, in MiB, whatever is offered: what it may at its top rate (350 MB), 10 KiB for each of a
 * thousand connections, and a little. What the settings allow of large requests (128 MiB on their way, 64 MiB that wait for the log) is not used by
 * these of 200 bytes.
 */
export const memoryBoundMb = 350;

const clients = 1_000;
const warmUpSeconds = 3;
const normalSeconds = 6;
/** Of `--seconds`, 5 by default, so many: a minute. */
const overloadFactor = 12;

type Offerer = Child<OfferPlan, OfferResult>;

export function startOfferer(): Offerer {
  return startChild<OfferPlan, OfferResult>(join(import.meta.dirname, 'generator.ts'));
}

/**
 * What is measured of a server, however it is put together. All accepted ids are kept in the file.
 *
 * @param cpuBehind as `watch` has it
 */
export async function overloadServer(
  setup: Setup,
  { port, pid, idsFile }: { readonly port: number; readonly pid: number; readonly idsFile: string },
  generator: Generator,
  offerer: Offerer,
  cpuBehind?: () => Readonly<Record<string, number>>,
): Promise<Omit<OverloadResult, 'account'> & { readonly acceptedInAll: number }> {
  const plan = { port, connections: 64, eventsPerRequest: 1, form: 'json', idsFile, requestsPerSecond: null } as const;
  const warmUp = await generator.ask({ ...plan, seconds: warmUpSeconds });
  const ofNormal = await peakDuring(pid, () => generator.ask({ ...plan, seconds: normalSeconds }));
  const normal = ofNormal.result;
  setup.progress(`top rate ${Math.round(normal.requestsPerSecond)}/s`);
  const twice = {
    ...{ port, clients, idsFile },
    seconds: Math.round(setup.seconds * overloadFactor),
    requestsPerSecond: 2 * normal.requestsPerSecond,
  };
  const offerTwice = () => peakDuring(pid, () => offerer.ask(twice));
  const { result, otherCores } = await watch([pid, offerer.pid], offerTwice, cpuBehind);
  const { result: offered, peak } = result;
  setup.progress(
    `twice that: ${Math.round(offered.accepted.requestsPerSecond)}/s accepted, ${offered.refused} refused`,
  );
  const acceptedInAll = warmUp.accepted + normal.accepted + offered.accepted.accepted;
  return { clients, normal, normalPeak: ofNormal.peak, offered, peak, otherCores, acceptedInAll };
}
