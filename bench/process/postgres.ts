import { join } from 'node:path';
import { type GoPrograms, goPrograms, runGoSink } from '../baselines/go-programs.ts';
import type { Backlog, BacklogPlan } from '../load/backlog.ts';
import type { Setup } from '../measurement.ts';
import { type Account, sumOf } from '../parts/account.ts';
import { startChild } from '../parts/child.ts';
import { startPart, takeServerAccount, watchOutcomes } from '../parts/production.ts';
import { type ServerInstallation, type Servers, withDatabase } from '../parts/servers.ts';
import { makeDataDir } from '../parts/setup.ts';
import { type Spread, spreadOf } from '../parts/statistics.ts';
import { cpuUsage, peakDuring } from '../parts/usage.ts';
import { waitFor } from '../parts/wait.ts';
import { type CopyRate, checkpoint, copyRate } from './psql.ts';
import { warmUpPart, warmUpPollMs } from './warm-up.ts';

/**
 * How many records a round holds at most: seconds' worth of what a fast machine does, and what comes before the clock
 * starts.
 */
const recordsPerSecondOfRound = 100_000;
/** Filling the topic is cheaper than working it off. */
const fillingPart = 1;

/** A program that works off the topic, duplicates passed over. */
export interface Sink {
  readonly recordsPerSecond: Spread;
  /** Processor seconds for 100,000 records, by process. */
  readonly cpuSecondsPer100k: Readonly<Record<string, Spread>>;
}

export interface PostgresProcessing {
  readonly records: Spread;
  readonly worker: Sink;
  /** Null where there is no Go. */
  readonly go: Sink | null;
  readonly leftOut: string | null;
  /** Of the same rows, into a table like the product's. */
  readonly copyRowsPerSecond: Spread;
  readonly copyBy: CopyRate['by'];
  readonly goRatio: Spread | null;
  readonly copyRatio: Spread;
  /** Highest seen, resident, of all rounds. */
  readonly workerPeakMb: number;
  readonly account: Account;
}

interface SinkRound {
  readonly recordsPerSecond: number;
  readonly cpuSecondsPer100k: Readonly<Record<string, number>>;
}

interface Round {
  readonly worker: SinkRound & { readonly peakMb: number; readonly account: Account };
  readonly go: SinkRound | null;
  readonly copy: CopyRate;
}

/**
 * One topic, worked off by the product and by the sink in Go, each into a table of its own; who begins changes with the
 * rounds.
 */
export async function measurePostgres(setup: Setup, servers: Servers): Promise<PostgresProcessing> {
  const go = await goPrograms();
  const rounds: Round[] = [];
  for (let round = 1; round <= setup.rounds; round += 1) {
    rounds.push(await oneRound(setup, servers, 'leftOut' in go ? null : go, round % 2 === 0));
    const last = rounds.at(-1)!;
    const besides = last.go === null ? '' : `, Go ${Math.round(last.go.recordsPerSecond)}/s`;
    setup.progress(
      `round ${round}: stored ${Math.round(last.worker.recordsPerSecond)}/s${besides}, ` +
        `COPY ${Math.round(last.copy.rowsPerSecond)}/s`,
    );
  }
  const spread = (pick: (round: Round) => number) => spreadOf(rounds.map(pick));
  const ofGo = rounds.map((round) => round.go).filter((one) => one !== null);
  return {
    records: spread((round) => round.worker.account.accepted),
    worker: sinkOf(rounds.map((round) => round.worker)),
    go: ofGo.length === 0 ? null : sinkOf(ofGo),
    leftOut: 'leftOut' in go ? go.leftOut : null,
    copyRowsPerSecond: spread((round) => round.copy.rowsPerSecond),
    copyBy: rounds[0]!.copy.by,
    goRatio: ofGo.length === 0 ? null : spread((round) => round.worker.recordsPerSecond / round.go!.recordsPerSecond),
    copyRatio: spread((round) => round.worker.recordsPerSecond / round.copy.rowsPerSecond),
    workerPeakMb: Math.max(...rounds.map((round) => round.worker.peakMb)),
    account: sumOf(rounds.map((round) => round.worker.account)),
  };
}

function sinkOf(rounds: readonly SinkRound[]): Sink {
  const processes = Object.keys(rounds[0]!.cpuSecondsPer100k);
  return {
    recordsPerSecond: spreadOf(rounds.map((round) => round.recordsPerSecond)),
    cpuSecondsPer100k: Object.fromEntries(
      processes.map((name) => [name, spreadOf(rounds.map((round) => round.cpuSecondsPer100k[name]!))]),
    ),
  };
}

async function oneRound(setup: Setup, servers: Servers, go: GoPrograms | null, goFirst: boolean): Promise<Round> {
  await using stack = new AsyncDisposableStack();
  const directory = makeDataDir(setup, stack);
  const installation = await servers.install();
  const backlog = await fill(setup, installation);
  const inGo = () => (go === null ? null : runInGo(servers, installation, go, backlog));
  const before = goFirst ? await inGo() : null;
  const worker = await runWorker(setup, servers, installation, backlog);
  const after = goFirst ? null : await inGo();
  return { worker, go: before ?? after, copy: await copyRate(installation.databaseUrl, directory) };
}

async function fill({ seconds }: Setup, { settings }: ServerInstallation): Promise<Backlog> {
  await using child = startChild<BacklogPlan, Backlog>(join(import.meta.dirname, '..', 'load', 'backlog.ts'));
  return await child.ask({
    brokers: settings.KAFKA_BROKERS!,
    topic: settings.ESP_TOPIC!,
    events: Math.round(seconds * recordsPerSecondOfRound),
    secondsMax: seconds * fillingPart,
    withDuplicates: true,
  });
}

/** The clock runs from when a quarter of the records is settled to the last of them. */
async function runWorker(
  setup: Setup,
  servers: Servers,
  installation: ServerInstallation,
  { events, duplicates }: Backlog,
): Promise<Round['worker']> {
  await checkpoint(installation.databaseUrl);
  await using stack = new AsyncDisposableStack();
  const outcomes = stack.use(await watchOutcomes(installation));
  const worker = stack.use(await startPart('worker', installation, setup));
  const first = await waitFor(
    'a quarter of the rows',
    async () => {
      const settled = await outcomes.count();
      return settled >= events * warmUpPart && settled;
    },
    { everyMs: warmUpPollMs },
  );
  const startedAt = performance.now();
  const cpuSeconds = () => ({ worker: cpuUsage(worker.pid).totalSeconds, ...servers.cpuSeconds() });
  const cpuBefore = cpuSeconds();
  const { peak } = await peakDuring(worker.pid, () => outcomes.reached(events));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuAfter = cpuSeconds();
  const settled = events - first;
  if (settled < events / 2) throw new Error(`only ${settled} records were left when the clock started`);
  const api = stack.use(await startPart('api', installation, setup));
  const account = await takeServerAccount(installation, api, { events, duplicates, ids: new Set() });
  return {
    recordsPerSecond: settled / seconds,
    cpuSecondsPer100k: per100k(cpuBefore, cpuAfter, settled),
    peakMb: peak.rssMb,
    account,
  };
}

async function runInGo(
  servers: Servers,
  { settings, databaseUrl }: ServerInstallation,
  go: GoPrograms,
  { events, duplicates }: Backlog,
): Promise<SinkRound> {
  const table = 'stored_by_go';
  // Every column, check and index that the product's has.
  await withDatabase(databaseUrl, (client) => client.query(`CREATE TABLE ${table} (LIKE events INCLUDING ALL)`));
  await checkpoint(databaseUrl);
  const cpuBefore = servers.cpuSeconds();
  const report = await runGoSink(go, {
    brokers: settings.KAFKA_BROKERS!,
    topic: settings.ESP_TOPIC!,
    group: `${settings.ESP_GROUP}.go`,
    databaseUrl,
    table,
    records: events,
    warmUp: Math.round(events * warmUpPart),
  });
  const cpuAfter = servers.cpuSeconds();
  const rows = await withDatabase(databaseUrl, async (client) => {
    return Number((await client.query(`SELECT count(*) AS count FROM ${table}`)).rows[0].count);
  });
  if (rows !== events - duplicates) {
    throw new Error(`the sink in Go left ${rows} rows of ${events} records with ${duplicates} duplicates`);
  }
  return {
    recordsPerSecond: report.records / report.seconds,
    cpuSecondsPer100k: {
      sink: (report.cpu_seconds / report.records) * 100_000,
      ...per100k(cpuBefore, cpuAfter, events),
    },
  };
}

function per100k<Name extends string>(
  before: Readonly<Record<Name, number>>,
  after: Readonly<Record<Name, number>>,
  records: number,
): Readonly<Record<string, number>> {
  const names = Object.keys(after) as Name[];
  return Object.fromEntries(names.map((name) => [name, ((after[name] - before[name]) / records) * 100_000]));
}
