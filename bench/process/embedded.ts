import { join } from 'node:path';
import type { BareSqlitePlan } from '../baselines/bare-sqlite.ts';
import type { Backlog, BacklogPlan } from '../load/backlog.ts';
import type { Setup } from '../measurement.ts';
import { type Account, sumOf, takeAccount } from '../parts/account.ts';
import { startChild } from '../parts/child.ts';
import { startEmbedded } from '../parts/product.ts';
import { makeDataDir, watch } from '../parts/setup.ts';
import { type Spread, spreadOf } from '../parts/statistics.ts';
import { waitFor } from '../parts/wait.ts';
import { warmUpPart, warmUpPollMs } from './warm-up.ts';

export interface EmbeddedProcessing {
  readonly events: Spread;
  readonly rowsPerSecond: Spread;
  readonly bareRowsPerSecond: Spread;
  readonly ratio: Spread;
  /** Of the product's process while it worked the backlog off, by thread. */
  readonly cpuSecondsPer100k: Spread;
  readonly threadCpuSecondsPer100k: Readonly<Record<string, Spread>>;
  readonly otherCores: Spread;
  readonly account: Account;
}

/** How many events a round stores at most: seconds' worth of what a fast machine does. */
const eventsPerSecondOfRound = 100_000;
/** It goes on as it began. */
const barePart = 0.5;
/** Filling the log is cheaper than working it off. */
const fillingPart = 0.75;

interface Round {
  readonly bareRowsPerSecond: number;
  readonly rowsPerSecond: number;
  readonly settledEvents: number;
  readonly cpuSeconds: number;
  readonly threads: Readonly<Record<string, number>>;
  readonly otherCores: number;
  readonly account: Account;
}

/**
 * A log filled while no worker runs, then the product started on it. The clock runs from when a quarter of it is
 * settled to the answer of its ledger that says nothing is in flight: starting up, and what the compiler does
 * meanwhile, is left out.
 */
export async function measureEmbedded(setup: Setup): Promise<EmbeddedProcessing> {
  const events = Math.round(setup.seconds * eventsPerSecondOfRound);
  const rounds: Round[] = [];
  for (let round = 1; round <= setup.rounds; round += 1) {
    rounds.push(await oneRound(setup, events));
    const { bareRowsPerSecond, rowsPerSecond } = rounds.at(-1)!;
    setup.progress(
      `round ${round}: bare SQLite ${Math.round(bareRowsPerSecond)}/s, product ${Math.round(rowsPerSecond)}/s`,
    );
  }
  const spread = (pick: (round: Round) => number) => spreadOf(rounds.map(pick));
  const threads = [...new Set(rounds.flatMap((round) => Object.keys(round.threads)))];
  const per100k = (seconds: number, round: Round) => (seconds / round.settledEvents) * 100_000;
  return {
    events: spread((round) => round.account.accepted),
    rowsPerSecond: spread((round) => round.rowsPerSecond),
    bareRowsPerSecond: spread((round) => round.bareRowsPerSecond),
    ratio: spread((round) => round.rowsPerSecond / round.bareRowsPerSecond),
    cpuSecondsPer100k: spread((round) => per100k(round.cpuSeconds, round)),
    threadCpuSecondsPer100k: Object.fromEntries(
      threads.map((name) => [name, spread((round) => per100k(round.threads[name] ?? 0, round))]),
    ),
    otherCores: spread((round) => round.otherCores),
    account: sumOf(rounds.map((round) => round.account)),
  };
}

async function oneRound(setup: Setup, eventsMax: number): Promise<Round> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const bareRowsPerSecond = await inChild<BareSqlitePlan, number>('../baselines/bare-sqlite.ts', {
    directory: dataDir,
    events: eventsMax,
    secondsMax: setup.seconds * barePart,
  });
  const { events } = await inChild<BacklogPlan, Backlog>('../load/backlog.ts', {
    dataDir,
    events: eventsMax,
    secondsMax: setup.seconds * fillingPart,
  });

  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir, waitUntilReady: false }));
  const before = await waitFor(
    'a quarter of the events',
    async () => {
      const ledger = await product.ledger();
      return ledger.in_flight <= events * (1 - warmUpPart) && ledger;
    },
    { everyMs: warmUpPollMs },
  );
  const startedAt = performance.now();
  const watched = await watch([product.pid], () => product.settled());
  const seconds = (performance.now() - startedAt) / 1000;
  const after = watched.result;
  const settledEvents = before.in_flight;
  if (settledEvents < events / 2) throw new Error(`only ${settledEvents} events were left when the clock started`);
  await product.stop();
  return {
    bareRowsPerSecond,
    rowsPerSecond: settledEvents / seconds,
    settledEvents,
    cpuSeconds: watched.cpu[0]!.totalSeconds,
    threads: watched.cpu[0]!.byThread,
    otherCores: watched.otherCores,
    account: takeAccount(dataDir, { events, idsFile: null }, after),
  };
}

async function inChild<Command extends object, Answer>(file: string, command: Command): Promise<Answer> {
  await using child = startChild<Command, Answer>(join(import.meta.dirname, file));
  return await child.ask(command);
}
