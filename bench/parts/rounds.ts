import type { LoadPlan } from '../load/drive.ts';
import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import { type Generator, watch } from './setup.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** A server that takes the same load as others, in turn with them. */
export interface Side {
  readonly name: string;
  readonly port: number;
  /** Of the process that serves HTTP. */
  readonly pid: number;
  /** Ids of single events that it accepted are kept here. */
  readonly idsFile: string | null;
  /** Runs at the end of each of its rounds, and its processor time counts. */
  afterLoad?(): Promise<void>;
}

export type Load = Pick<LoadPlan, 'connections' | 'eventsPerRequest' | 'form'>;

export interface Round {
  readonly load: LoadResult;
  readonly cpuSeconds: number;
  readonly threads: Readonly<Record<string, number>>;
  readonly otherCores: number;
}

/** What one side did in all its rounds. */
export interface SideResult {
  readonly name: string;
  readonly requestsPerSecond: Spread;
  readonly eventsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** Of the server; the product's includes the storing of what was sent, where a worker runs in it. */
  readonly cpuSecondsPer100k: Spread;
  /** By thread. */
  readonly threadCpuSecondsPer100k: Readonly<Record<string, Spread>>;
  readonly generatorCpuSecondsPer100k: Spread;
  /** Near 1 the generator, and not the server, would be what was measured. */
  readonly generatorCores: Spread;
  /** Cores that programs kept busy which are neither the server nor the generator; a broker behind the server is one. */
  readonly otherCores: Spread;
  /** Events, those of the warm-up too. */
  readonly accepted: number;
  readonly refusals: number;
  readonly firstRefusal: string | null;
  /** In the order in which they were run, without the warm-up: a ratio is taken of neighbours. */
  readonly rounds: readonly Round[];
}

/** A warm-up of every side, then the rounds: A B C, A B C. */
export async function takeTurns(
  setup: Setup,
  load: Load,
  generator: Generator,
  sides: readonly Side[],
): Promise<readonly SideResult[]> {
  async function oneRound(side: Side, seconds: number): Promise<Round> {
    const { result, cpu, otherCores } = await watch([side.pid, generator.pid], async () => {
      const { port, idsFile } = side;
      const answers = await generator.ask({ ...load, port, idsFile, seconds, requestsPerSecond: null });
      await side.afterLoad?.();
      return answers;
    });
    return { load: result, cpuSeconds: cpu[0]!.totalSeconds, threads: cpu[0]!.byThread, otherCores };
  }

  const warmUps: Round[] = [];
  for (const side of sides) warmUps.push(await oneRound(side, Math.min(3, setup.seconds)));
  const rounds: Round[][] = sides.map(() => []);
  for (let round = 1; round <= setup.rounds; round += 1) {
    for (const [index, side] of sides.entries()) rounds[index]!.push(await oneRound(side, setup.seconds));
    const rates = sides.map(({ name }, i) => `${name} ${Math.round(rounds[i]!.at(-1)!.load.eventsPerSecond)}/s`);
    setup.progress(`round ${round}: ${rates.join(', ')}`);
  }
  return sides.map(({ name }, index) => resultOf(name, warmUps[index]!, rounds[index]!));
}

function resultOf(name: string, warmUp: Round, rounds: readonly Round[]): SideResult {
  const spread = (pick: (round: Round) => number) => spreadOf(rounds.map(pick));
  const all = [warmUp, ...rounds].map((round) => round.load);
  return {
    name,
    requestsPerSecond: spread(({ load }) => load.requestsPerSecond),
    eventsPerSecond: spread(({ load }) => load.eventsPerSecond),
    p50Ms: spread(({ load }) => load.latencyMs.p50),
    p99Ms: spread(({ load }) => load.latencyMs.p99),
    cpuSecondsPer100k: spread(({ load, cpuSeconds }) => (cpuSeconds / load.accepted) * 100_000),
    threadCpuSecondsPer100k: threadsOf(rounds),
    generatorCpuSecondsPer100k: spread(({ load }) => (load.cpuSeconds / load.accepted) * 100_000),
    generatorCores: spread(({ load }) => load.cpuSeconds / load.seconds),
    otherCores: spread((round) => round.otherCores),
    accepted: all.reduce((sum, { accepted }) => sum + accepted, 0),
    refusals: all.reduce((sum, { refusals }) => sum + Object.values(refusals).reduce((a, b) => a + b, 0), 0),
    firstRefusal: all.find((result) => result.firstRefusal !== null)?.firstRefusal ?? null,
    rounds,
  };
}

function threadsOf(rounds: readonly Round[]): Readonly<Record<string, Spread>> {
  const threads = [...new Set(rounds.flatMap((round) => Object.keys(round.threads)))];
  const perThread = (name: string) =>
    spreadOf(rounds.map((round) => ((round.threads[name] ?? 0) / round.load.accepted) * 100_000));
  return Object.fromEntries(threads.map((name) => [name, perThread(name)]));
}

/** Rate of one side over another's, of each pair of neighbours, so that a machine that gets slower drags both down. */
export function ratioOf(side: SideResult, beside: SideResult): Spread {
  return spreadOf(side.rounds.map(({ load }, i) => load.eventsPerSecond / beside.rounds[i]!.load.eventsPerSecond));
}
