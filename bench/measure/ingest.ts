import { join } from 'node:path';
import type { LoadPlan } from '../load/drive.ts';
import type { LoadResult } from '../load/tally.ts';
import { type Account, takeAccount } from './account.ts';
import { startEmbedded } from './product.ts';
import { makeDataDir, type Setup, startBareHttp, startGenerator, watch } from './setup.ts';
import { type Spread, spreadOf } from './statistics.ts';

export interface IngestSide {
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** Of the server; the product's includes the storing of what was sent. */
  readonly cpuSecondsPer100k: Spread;
  readonly generatorCpuSecondsPer100k: Spread;
  /** Near 1 the generator, and not the server, would be what was measured. */
  readonly generatorCores: Spread;
}

export interface IngestResult {
  readonly connections: number;
  readonly eventsPerRequest: number;
  readonly bare: IngestSide;
  readonly product: IngestSide & {
    /** By thread. */
    readonly threadCpuSecondsPer100k: Readonly<Record<string, Spread>>;
    /** Events not yet stored when the load ended. */
    readonly backlog: Spread;
    readonly drainSeconds: Spread;
    /** Until everything was stored, the drain included. */
    readonly storedPerSecond: Spread;
  };
  /** Product over bare, of each pair of rounds. */
  readonly ratio: Spread;
  readonly otherCores: Spread;
  readonly account: Account;
  readonly refusals: number;
  readonly firstRefusal: string | null;
}

interface BareRound {
  readonly load: LoadResult;
  readonly cpuSeconds: number;
  readonly otherCores: number;
}
interface ProductRound extends BareRound {
  readonly threads: Readonly<Record<string, number>>;
}
/** What was left to store when a round's load ended, and how long that took. */
interface Drain {
  readonly backlog: number;
  readonly seconds: number;
}

export interface IngestPlan {
  readonly connections: number;
  readonly eventsPerRequest: number;
}

/** The same load in turn on a bare server and on the product, both running all the time, the worker storing meanwhile. */
export async function measureIngest(setup: Setup, plan: IngestPlan): Promise<IngestResult> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const idsFile = join(dataDir, 'accepted-ids');
  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  const drains: Drain[] = [];
  const rounds = await alternate(setup, plan, stack, {
    port: product.port,
    pid: product.pid,
    idsFile,
    async afterLoad() {
      const endedAt = performance.now();
      const backlog = (await product.ledger()).in_flight;
      if (backlog > 0) await product.settled();
      drains.push({ backlog, seconds: backlog > 0 ? (performance.now() - endedAt) / 1000 : 0 });
    },
  });
  const ledger = await product.settled();
  await product.stop();
  return {
    ...plan,
    ...comparisonOf(rounds),
    product: {
      ...sideOf(rounds.product),
      threadCpuSecondsPer100k: threadsOf(rounds.product),
      // The first is that of the warm-up.
      ...drainingOf(rounds.product, drains.slice(1)),
    },
    account: takeAccount(dataDir, { events: rounds.accepted, idsFile }, ledger),
  };
}

/** Where the load goes in the product's rounds. */
interface Target {
  readonly port: number;
  /** Of the process that serves HTTP. */
  readonly pid: number;
  readonly idsFile: string;
  /** Runs at the end of each round, and its processor time counts. */
  afterLoad?(): Promise<void>;
}

interface Rounds {
  readonly bare: readonly BareRound[];
  readonly product: readonly ProductRound[];
  /** Events that the product took, in the warm-up too. */
  readonly accepted: number;
  readonly refusals: number;
  readonly firstRefusal: string | null;
}

/** A warm-up of both sides, then the rounds: bare, product, bare, product. */
export async function alternate(
  setup: Setup,
  plan: IngestPlan,
  stack: AsyncDisposableStack,
  target: Target,
): Promise<Rounds> {
  const generator = stack.use(startGenerator());
  const bare = await startBareHttp(stack);
  const load = (port: number, seconds: number): LoadPlan => ({
    ...plan,
    port,
    seconds,
    requestsPerSecond: null,
    idsFile: port === target.port ? target.idsFile : null,
  });

  async function bareRound(seconds: number): Promise<BareRound> {
    const { result, cpu, otherCores } = await watch([bare.pid, generator.pid], () =>
      generator.ask(load(bare.port, seconds)),
    );
    return { load: result, cpuSeconds: cpu[0]!.totalSeconds, otherCores };
  }

  async function productRound(seconds: number): Promise<ProductRound> {
    const { result, cpu, otherCores } = await watch([target.pid, generator.pid], async () => {
      const answers = await generator.ask(load(target.port, seconds));
      await target.afterLoad?.();
      return answers;
    });
    return { load: result, cpuSeconds: cpu[0]!.totalSeconds, threads: cpu[0]!.byThread, otherCores };
  }

  const warmUpSeconds = Math.min(3, setup.seconds);
  const warmUp = [await bareRound(warmUpSeconds), await productRound(warmUpSeconds)] as const;
  const bareRounds: BareRound[] = [];
  const productRounds: ProductRound[] = [];
  for (let round = 1; round <= setup.rounds; round += 1) {
    bareRounds.push(await bareRound(setup.seconds));
    productRounds.push(await productRound(setup.seconds));
    const [a, b] = [bareRounds.at(-1)!.load, productRounds.at(-1)!.load];
    setup.progress(
      `round ${round}: bare ${Math.round(a.eventsPerSecond)}/s, product ${Math.round(b.eventsPerSecond)}/s`,
    );
  }
  const ofProduct = [warmUp[1], ...productRounds].map((round) => round.load);
  const all = [...ofProduct, ...[warmUp[0], ...bareRounds].map((round) => round.load)];
  return {
    bare: bareRounds,
    product: productRounds,
    accepted: ofProduct.reduce((sum, { accepted }) => sum + accepted, 0),
    refusals: all.reduce((sum, { refusals }) => sum + Object.values(refusals).reduce((a, b) => a + b, 0), 0),
    firstRefusal: all.find((result) => result.firstRefusal !== null)?.firstRefusal ?? null,
  };
}

export function comparisonOf({ bare, product, refusals, firstRefusal }: Rounds) {
  return {
    bare: sideOf(bare),
    ratio: spreadOf(product.map(({ load }, i) => load.requestsPerSecond / bare[i]!.load.requestsPerSecond)),
    otherCores: spreadOf([...bare, ...product].map((round) => round.otherCores)),
    refusals,
    firstRefusal,
  };
}

export function sideOf(rounds: readonly BareRound[]): IngestSide {
  const spread = (pick: (round: BareRound) => number) => spreadOf(rounds.map(pick));
  return {
    requestsPerSecond: spread(({ load }) => load.requestsPerSecond),
    p50Ms: spread(({ load }) => load.latencyMs.p50),
    p99Ms: spread(({ load }) => load.latencyMs.p99),
    cpuSecondsPer100k: spread(({ load, cpuSeconds }) => (cpuSeconds / load.accepted) * 100_000),
    generatorCpuSecondsPer100k: spread(({ load }) => (load.cpuSeconds / load.accepted) * 100_000),
    generatorCores: spread(({ load }) => load.cpuSeconds / load.seconds),
  };
}

/** Processor seconds of each thread for 100,000 events. */
export function threadsOf(rounds: readonly ProductRound[]): Readonly<Record<string, Spread>> {
  const threads = [...new Set(rounds.flatMap((round) => Object.keys(round.threads)))];
  const perThread = (name: string) =>
    spreadOf(rounds.map((round) => ((round.threads[name] ?? 0) / round.load.accepted) * 100_000));
  return Object.fromEntries(threads.map((name) => [name, perThread(name)]));
}

function drainingOf(rounds: readonly ProductRound[], drains: readonly Drain[]) {
  return {
    backlog: spreadOf(drains.map(({ backlog }) => backlog)),
    drainSeconds: spreadOf(drains.map(({ seconds }) => seconds)),
    storedPerSecond: spreadOf(rounds.map(({ load }, i) => load.accepted / (load.seconds + drains[i]!.seconds))),
  };
}
