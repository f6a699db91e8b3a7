import type { LoadPlan } from '../load/drive.ts';
import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import { type Generator, watch } from './setup.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** A server that takes the same load as others, in turn with them. */
export interface Side {
  readonly name: string;
  /** Several: processes that share the load. */
  readonly port: number | readonly number[];
  /** Of the process that serves HTTP, or of all. */
  readonly pid: number | readonly number[];
  /** Ids of single events that it accepted are kept here. */
  readonly idsFile: string | null;
  /** Others than the load says. */
  readonly connections?: number;
  /** Runs at the end of each of its rounds, and its processor time counts. */
  afterLoad?(): Promise<void>;
}

export type Load = Pick<LoadPlan, 'connections' | 'eventsPerRequest' | 'form'>;

export interface Round {
  readonly load: LoadResult;
  readonly cpuSeconds: number;
  readonly threads: Readonly<Record<string, number>>;
  /** Processor seconds of what stands behind the side, by name. */
  readonly behind: Readonly<Record<string, number>>;
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
  /** Of what stands behind it, by name. */
  readonly behindCpuSecondsPer100k: Readonly<Record<string, Spread>>;
  readonly generatorCpuSecondsPer100k: Spread;
  /** Near 1 the generator, and not the server, would be what was measured. */
  readonly generatorCores: Spread;
  /**
   * Cores that programs kept busy which are neither the side, nor what is known to stand behind it, nor the generator.
   */
  readonly otherCores: Spread;
  /** Events, those of the warm-up too. */
  readonly accepted: number;
  readonly refusals: number;
  readonly firstRefusal: string | null;
  /** In the order in which they were run, without the warm-up: a ratio is taken of neighbours. */
  readonly rounds: readonly Round[];
}

/**
 * A server that compiles as it runs is not itself before each of its processes has served so many. A slow machine gets
 * more time for it, to a point.
 */
const warmRequestsMin = 30_000;
const warmEventsMin = 150_000;
const warmSecondsMax = 8;
const warmUpStepSeconds = 1;

/**
 * A warm-up of every side, then the rounds: A B C, A B C.
 *
 * @param cpuBehind processor seconds so far of what stands behind the sides, by name: a broker, a database
 */
export async function takeTurns(
  setup: Pick<Setup, 'seconds' | 'rounds' | 'progress'>,
  load: Load,
  generator: Generator,
  sides: readonly Side[],
  cpuBehind?: () => Readonly<Record<string, number>>,
): Promise<readonly SideResult[]> {
  async function oneRound(side: Side, seconds: number): Promise<Round> {
    const pids = [side.pid].flat();
    const sendAndSettle = async () => {
      const { port, idsFile, connections = load.connections } = side;
      const plan = { ...load, connections, port, idsFile, seconds, requestsPerSecond: null };
      const answers = await generator.ask(plan);
      await side.afterLoad?.();
      return answers;
    };
    const watched = await watch([...pids, generator.pid], sendAndSettle, cpuBehind);
    const ofSide = watched.cpu.slice(0, pids.length);
    return {
      load: watched.result,
      cpuSeconds: sum(ofSide.map(({ totalSeconds }) => totalSeconds)),
      threads: addUp(ofSide.map(({ byThread }) => byThread)),
      behind: watched.behind,
      otherCores: watched.otherCores,
    };
  }

  async function warmUp(side: Side): Promise<readonly Round[]> {
    const seconds = Math.min(warmUpStepSeconds, setup.seconds);
    const done: Round[] = [];
    for (let events = 0, requests = 0; ; ) {
      const round = await oneRound(side, seconds);
      done.push(round);
      events += round.load.events;
      requests += round.load.requests;
      const processes = [side.pid].flat().length;
      const isWarm =
        requests >= warmRequestsMin * processes || (load.eventsPerRequest > 1 && events >= warmEventsMin * processes);
      if (isWarm || (done.length + 1) * seconds > warmSecondsMax) return done;
    }
  }

  const warmUps: (readonly Round[])[] = [];
  for (const side of sides) warmUps.push(await warmUp(side));
  const rounds: Round[][] = sides.map(() => []);
  for (let round = 1; round <= setup.rounds; round += 1) {
    for (const [index, side] of sides.entries()) rounds[index]!.push(await oneRound(side, setup.seconds));
    const rates = sides.map(({ name }, i) => `${name} ${Math.round(rounds[i]!.at(-1)!.load.eventsPerSecond)}/s`);
    setup.progress(`round ${round}: ${rates.join(', ')}`);
  }
  return sides.map(({ name }, index) => resultOf(name, warmUps[index]!, rounds[index]!));
}

function resultOf(name: string, warmUps: readonly Round[], rounds: readonly Round[]): SideResult {
  const spread = (pick: (round: Round) => number) => spreadOf(rounds.map(pick));
  const all = [...warmUps, ...rounds].map((round) => round.load);
  return {
    name,
    requestsPerSecond: spread(({ load }) => load.requestsPerSecond),
    eventsPerSecond: spread(({ load }) => load.eventsPerSecond),
    p50Ms: spread(({ load }) => load.latencyMs.p50),
    p99Ms: spread(({ load }) => load.latencyMs.p99),
    cpuSecondsPer100k: spread(({ load, cpuSeconds }) => (cpuSeconds / load.accepted) * 100_000),
    threadCpuSecondsPer100k: per100kOf(rounds, ({ threads }) => threads),
    behindCpuSecondsPer100k: per100kOf(rounds, ({ behind }) => behind),
    generatorCpuSecondsPer100k: spread(({ load }) => (load.cpuSeconds / load.accepted) * 100_000),
    generatorCores: spread(({ load }) => load.cpuSeconds / load.seconds),
    otherCores: spread((round) => round.otherCores),
    accepted: sum(all.map(({ accepted }) => accepted)),
    refusals: sum(all.flatMap(({ refusals }) => Object.values(refusals))),
    firstRefusal: all.find((result) => result.firstRefusal !== null)?.firstRefusal ?? null,
    rounds,
  };
}

function per100kOf(
  rounds: readonly Round[],
  pick: (round: Round) => Readonly<Record<string, number>>,
): Readonly<Record<string, Spread>> {
  return mapValues(addUp(rounds.map(pick)), (_, name) =>
    spreadOf(rounds.map((round) => ((pick(round)[name] ?? 0) / round.load.accepted) * 100_000)),
  );
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function addUp(records: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const record of records)
    for (const name of Object.keys(record)) total[name] = (total[name] ?? 0) + record[name]!;
  return total;
}

function mapValues<Value, Mapped>(
  record: Readonly<Record<string, Value>>,
  map: (value: Value, name: string) => Mapped,
): Readonly<Record<string, Mapped>> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value, name)]));
}

/** Rate of one side over another's, of each pair of neighbours, so that a machine that gets slower drags both down. */
export function ratioOf(side: SideResult, beside: SideResult): Spread {
  return spreadOf(side.rounds.map(({ load }, i) => load.eventsPerSecond / beside.rounds[i]!.load.eventsPerSecond));
}

/** Processor time of an event of one side over another's, likewise of each pair of neighbours. */
export function cpuRatioOf(side: SideResult, beside: SideResult): Spread {
  const costOf = ({ cpuSeconds, load }: Round) => cpuSeconds / load.accepted;
  return spreadOf(side.rounds.map((round, i) => costOf(round) / costOf(beside.rounds[i]!)));
}

/** Of sides that do one job in different ways, the one to be compared with: what its owner would have chosen. */
export function fastestOf<Candidate extends Pick<SideResult, 'eventsPerSecond'>>(
  sides: readonly [Candidate, ...Candidate[]],
): Candidate {
  return sides.reduce((best, side) => (side.eventsPerSecond.median > best.eventsPerSecond.median ? side : best));
}
