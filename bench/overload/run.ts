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
  readonly underWay: number;
  /**
   * As many clients as that, each on a connection of its own, that send again as soon as they are answered: before and
   * after all else.
   */
  readonly alone: Sides<LoadResult>;
  /**
   * The same number under way, over the connections of all clients, who take turns: just before more is offered, and
   * just after.
   */
  readonly top: Sides<OfferResult>;
  readonly alonePeak: MemoryUsage;
  readonly offered: OfferResult;
  /** Of the process that serves HTTP, while twice that was offered. */
  readonly peak: MemoryUsage;
  readonly otherCores: number;
  readonly account: Account;
}

/** A machine whose speed changes in a minute does so for what was before it and what is after it. */
export interface Sides<Result> {
  readonly before: Result;
  readonly after: Result;
}

const clients = 1_000;
/** Enough for the top rate, as in `ingest`. */
const underWay = 64;
const warmUpSeconds = 3;
const topSeconds = 3;
/** Of `--seconds`, 4 by default, so many: a minute. */
const overloadFactor = 15;

type Offerer = Child<OfferPlan, OfferResult>;

export function startOfferer(): Offerer {
  return startChild<OfferPlan, OfferResult>(join(import.meta.dirname, 'generator.ts'));
}

/**
 * What is measured of a server, however it is put together. All accepted ids are kept in the file.
 *
 * What so many connections cost is no matter of how much comes over them: each brings its own memory, the server's and
 * the system's, into the processor's cache. So the rate that more is compared with is one over the same connections.
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
  const plan = { port, connections: underWay, eventsPerRequest: 1, form: 'json', idsFile } as const;
  const alone = (seconds: number) => generator.ask({ ...plan, seconds, requestsPerSecond: null });
  const inTurn = { port, clients, idsFile, seconds: topSeconds, offered: { underWay } };
  const top = () => offerer.ask(inTurn);
  const say = (what: string, { requestsPerSecond }: LoadResult) =>
    setup.progress(`${what} ${Math.round(requestsPerSecond)}/s`);

  const warmUp = await alone(warmUpSeconds);
  const { result: aloneBefore, peak: alonePeak } = await peakDuring(pid, () => alone(topSeconds));
  say(`${underWay} clients`, aloneBefore);
  const topBefore = await top();
  say(`${underWay} of ${clients} in turn`, topBefore.accepted);
  const twice = {
    ...{ port, clients, idsFile },
    seconds: Math.round(setup.seconds * overloadFactor),
    offered: { requestsPerSecond: 2 * aloneBefore.requestsPerSecond },
  };
  const offerTwice = () => peakDuring(pid, () => offerer.ask(twice));
  const { result, otherCores } = await watch([pid, offerer.pid], offerTwice, cpuBehind);
  const { result: offered, peak } = result;
  say(`of twice that, ${offered.refused} refused,`, offered.accepted);
  const topAfter = await top();
  say(`${underWay} of ${clients} in turn`, topAfter.accepted);
  const aloneAfter = await alone(topSeconds);
  say(`${underWay} clients`, aloneAfter);
  const all = [warmUp, aloneBefore, topBefore.accepted, offered.accepted, topAfter.accepted, aloneAfter];
  return {
    ...{ clients, underWay, alonePeak, offered, peak, otherCores },
    alone: { before: aloneBefore, after: aloneAfter },
    top: { before: topBefore, after: topAfter },
    acceptedInAll: all.reduce((sum, { accepted }) => sum + accepted, 0),
  };
}

/** The middle of the two sides. */
export function middleOf<Result>({ before, after }: Sides<Result>, pick: (result: Result) => number): number {
  return (pick(before) + pick(after)) / 2;
}
