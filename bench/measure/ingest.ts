import { join } from 'node:path';
import type { LoadPlan } from '../load/drive.ts';
import type { LoadResult } from '../load/tally.ts';
import { type Account, takeAccount } from './account.ts';
import { startProduct } from './product.ts';
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
  readonly backlog: number;
  readonly drainSeconds: number;
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
  const generator = stack.use(startGenerator());
  const bare = await startBareHttp(stack);
  const product = stack.use(await startProduct({ dataDir, profileDir: setup.profileDir }));
  let accepted = 0;
  const load = (port: number, seconds: number): LoadPlan => ({
    ...plan,
    port,
    seconds,
    requestsPerSecond: null,
    idsFile: port === product.port ? idsFile : null,
  });

  async function bareRound(seconds: number): Promise<BareRound> {
    const { result, cpu, otherCores } = await watch([bare.pid, generator.pid], () =>
      generator.ask(load(bare.port, seconds)),
    );
    return { load: result, cpuSeconds: cpu[0]!.totalSeconds, otherCores };
  }

  async function productRound(seconds: number): Promise<ProductRound> {
    const { result, cpu, otherCores } = await watch([product.pid, generator.pid], async () => {
      const answers = await generator.ask(load(product.port, seconds));
      const endedAt = performance.now();
      const backlog = (await product.ledger()).in_flight;
      if (backlog > 0) await product.settled();
      return { load: answers, backlog, drainSeconds: backlog > 0 ? (performance.now() - endedAt) / 1000 : 0 };
    });
    accepted += result.load.accepted;
    return { ...result, cpuSeconds: cpu[0]!.totalSeconds, threads: cpu[0]!.byThread, otherCores };
  }

  const warmUpSeconds = Math.min(3, setup.seconds);
  const warmUp = [await bareRound(warmUpSeconds), await productRound(warmUpSeconds)];
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
  const ledger = await product.settled();
  await product.stop();
  const all = [...warmUp, ...bareRounds, ...productRounds].map((round) => round.load);
  return {
    ...plan,
    bare: sideOf(bareRounds),
    product: { ...sideOf(productRounds), ...productSideOf(productRounds) },
    ratio: spreadOf(productRounds.map(({ load }, i) => load.requestsPerSecond / bareRounds[i]!.load.requestsPerSecond)),
    otherCores: spreadOf([...bareRounds, ...productRounds].map((round) => round.otherCores)),
    account: takeAccount(dataDir, { events: accepted, idsFile }, ledger),
    refusals: all.reduce((sum, { refusals }) => sum + Object.values(refusals).reduce((a, b) => a + b, 0), 0),
    firstRefusal: all.find((result) => result.firstRefusal !== null)?.firstRefusal ?? null,
  };
}

function sideOf(rounds: readonly BareRound[]): IngestSide {
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

function productSideOf(rounds: readonly ProductRound[]) {
  const threads = [...new Set(rounds.flatMap((round) => Object.keys(round.threads)))];
  const perThread = (name: string) =>
    spreadOf(rounds.map((round) => ((round.threads[name] ?? 0) / round.load.accepted) * 100_000));
  return {
    threadCpuSecondsPer100k: Object.fromEntries(threads.map((name) => [name, perThread(name)])),
    backlog: spreadOf(rounds.map((round) => round.backlog)),
    drainSeconds: spreadOf(rounds.map((round) => round.drainSeconds)),
    storedPerSecond: spreadOf(rounds.map(({ load, drainSeconds }) => load.accepted / (load.seconds + drainSeconds))),
  };
}
