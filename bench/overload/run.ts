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
  /**
   * 64 clients that send again as soon as they are answered: just before twice that rate, just after it, and the middle of the two, of the
   * percentiles as well.
   */
  readonly before: LoadResult;
  readonly after: LoadResult;
  readonly normal: Pick<LoadResult, 'requestsPerSecond' | 'latencyMs'>;
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
const normalSeconds = 5;
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
  const before = ofNormal.result;
  setup.progress(`top rate ${Math.round(before.requestsPerSecond)}/s`);
  const twice = {
    ...{ port, clients, idsFile },
    seconds: Math.round(setup.seconds * overloadFactor),
    requestsPerSecond: 2 * before.requestsPerSecond,
  };
  const offerTwice = () => peakDuring(pid, () => offerer.ask(twice));
  const { result, otherCores } = await watch([pid, offerer.pid], offerTwice, cpuBehind);
  const { result: offered, peak } = result;
  setup.progress(
    `twice that: ${Math.round(offered.accepted.requestsPerSecond)}/s accepted, ${offered.refused} refused`,
  );
  // A machine whose speed changes in a minute does so for both sides.
  const after = await generator.ask({ ...plan, seconds: normalSeconds });
  setup.progress(`top rate ${Math.round(after.requestsPerSecond)}/s again`);
  const acceptedInAll = warmUp.accepted + before.accepted + offered.accepted.accepted + after.accepted;
  const normal = middleOf(before, after);
  return { clients, before, after, normal, normalPeak: ofNormal.peak, offered, peak, otherCores, acceptedInAll };
}

function middleOf(a: LoadResult, b: LoadResult): OverloadResult['normal'] {
  const middle = (pick: (result: LoadResult) => number) => (pick(a) + pick(b)) / 2;
  return {
    requestsPerSecond: middle(({ requestsPerSecond }) => requestsPerSecond),
    latencyMs: {
      p50: middle(({ latencyMs }) => latencyMs.p50),
      p90: middle(({ latencyMs }) => latencyMs.p90),
      p99: middle(({ latencyMs }) => latencyMs.p99),
      max: Math.max(a.latencyMs.max, b.latencyMs.max),
    },
  };
}
