import { sampleEventBytes } from '../load/sample-event.ts';
import type { Setup } from '../measurement.ts';
import { type Account, sumOf } from '../parts/account.ts';
import { outcomesInDatabase, settledInDatabase, startPart, takeServerAccount } from '../parts/production.ts';
import { type ServerInstallation, type Servers, withDatabase } from '../parts/servers.ts';
import { startGenerator } from '../parts/setup.ts';
import { type Spread, spreadOf } from '../parts/statistics.ts';
import { cpuUsage, peakDuring } from '../parts/usage.ts';
import { waitFor } from '../parts/wait.ts';

const lines = { connections: 8, eventsPerRequest: 1_000, form: 'ndjson' } as const;
/** How many events a round stores: seconds' worth of what a fast machine does. */
const eventsPerSecondOfRound = 60_000;
const pollMs = 20;

export interface PostgresProcessing {
  /** What Kafka's own producer brings in of records of that size. */
  readonly producerRecordsPerSecond: Spread;
  readonly rowsPerSecond: Spread;
  /** PostgreSQL's COPY of the same rows from a file into a table like the product's, over one connection. */
  readonly copyRowsPerSecond: Spread;
  readonly copyRatio: Spread;
  /** While the worker stored, processor seconds for 100,000 events, by process. */
  readonly cpuSecondsPer100k: Readonly<Record<string, Spread>>;
  /** Highest seen, resident, of all rounds. */
  readonly workerPeakMb: number;
  readonly account: Account;
}

export async function measurePostgres(setup: Setup, servers: Servers): Promise<PostgresProcessing> {
  const rounds: StoringRound[] = [];
  for (let round = 1; round <= setup.rounds; round += 1) {
    rounds.push(await fillAndStore(setup, servers));
    const { rowsPerSecond, copyRowsPerSecond } = rounds.at(-1)!;
    setup.progress(`round ${round}: stored ${Math.round(rowsPerSecond)}/s, COPY ${Math.round(copyRowsPerSecond)}/s`);
  }
  const spread = (pick: (round: StoringRound) => number) => spreadOf(rounds.map(pick));
  const processes = Object.keys(rounds[0]!.cpuSecondsPer100k);
  return {
    producerRecordsPerSecond: spread((round) => round.producerRecordsPerSecond),
    rowsPerSecond: spread((round) => round.rowsPerSecond),
    copyRowsPerSecond: spread((round) => round.copyRowsPerSecond),
    copyRatio: spread((round) => round.rowsPerSecond / round.copyRowsPerSecond),
    cpuSecondsPer100k: Object.fromEntries(
      processes.map((name) => [name, spread((round) => round.cpuSecondsPer100k[name]!)]),
    ),
    workerPeakMb: Math.max(...rounds.map((round) => round.workerPeakMb)),
    account: sumOf(rounds.map((round) => round.account)),
  };
}

interface StoringRound {
  readonly producerRecordsPerSecond: number;
  readonly rowsPerSecond: number;
  readonly copyRowsPerSecond: number;
  readonly cpuSecondsPer100k: Readonly<Record<string, number>>;
  readonly workerPeakMb: number;
  readonly account: Account;
}

/**
 * A topic filled over HTTP while no worker runs, then a worker. The clock runs from the first rows that are there to the last,
 * and only what was stored between the two counts: starting up is left out.
 */
async function fillAndStore(setup: Setup, servers: Servers): Promise<StoringRound> {
  await using stack = new AsyncDisposableStack();
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const generator = stack.use(startGenerator());
  const events = setup.seconds * eventsPerSecondOfRound;
  let accepted = 0;
  const plan = { ...lines, port: api.port, requestsPerSecond: null, idsFile: null };
  // Some seconds of load at a time, until there is a backlog for the worker.
  for (let seconds = 1; accepted < events; seconds = Math.max(1, setup.seconds / 2)) {
    const load = await generator.ask({ ...plan, seconds });
    accepted += load.accepted;
  }
  const producerRecordsPerSecond = await servers.producerRecordsPerSecond(events, sampleEventBytes);

  const worker = stack.use(await startPart('worker', installation, setup));
  const before = await started(installation);
  const startedAt = performance.now();
  const cpuSeconds = () => ({
    worker: cpuUsage(worker.pid).totalSeconds,
    api: cpuUsage(api.pid).totalSeconds,
    ...servers.cpuSeconds(),
  });
  const cpuBefore = cpuSeconds();
  const peak = await peakDuring(worker.pid, () => settledInDatabase(installation, accepted));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuAfter = cpuSeconds();
  const storedMeanwhile = accepted - before;
  if (storedMeanwhile < accepted / 2)
    throw new Error(`only ${storedMeanwhile} events were left when the clock started`);
  const account = await takeServerAccount(installation, api, { events: accepted, ids: new Set() });
  await worker.stop();
  await api.stop();
  return {
    producerRecordsPerSecond,
    rowsPerSecond: storedMeanwhile / seconds,
    copyRowsPerSecond: await copyRowsPerSecond(installation),
    cpuSecondsPer100k: Object.fromEntries(
      Object.entries(cpuAfter).map(([name, after]) => [
        name,
        ((after - cpuBefore[name as keyof typeof cpuBefore]) / storedMeanwhile) * 100_000,
      ]),
    ),
    workerPeakMb: peak.rssMb,
    account,
  };
}

/** @returns how many there were when the first were seen */
function started(installation: ServerInstallation): Promise<number> {
  return waitFor('the first rows', async () => (await outcomesInDatabase(installation)) || null, { everyMs: pollMs });
}

/**
 * The rows that the product has stored, written to a file by the server and read back by it into a table of the same columns
 * and indexes: no client, no parsing of events, no second table.
 */
async function copyRowsPerSecond({ databaseUrl }: ServerInstallation): Promise<number> {
  return withDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query("SELECT current_setting('data_directory') AS directory");
    const file = client.escapeLiteral(`${rows[0].directory}/bench-rows`);
    await client.query(`COPY events TO ${file}`);
    await client.query('CREATE TABLE copied (LIKE events INCLUDING ALL)');
    // What the product has left to be written back is not this one's to wait for.
    await client.query('CHECKPOINT');
    const startedAt = performance.now();
    const { rowCount } = await client.query(`COPY copied FROM ${file}`);
    return rowCount! / ((performance.now() - startedAt) / 1000);
  });
}
