import { join } from 'node:path';
import { type Account, readIds, sumOf } from './account.ts';
import { alternate, comparisonOf, type IngestSide, sideOf, threadsOf } from './ingest.ts';
import { type Servers, startServers } from './servers.ts';
import { makeDataDir, type Setup } from './setup.ts';
import { type Spread, spreadOf } from './statistics.ts';
import { fillAndStore, type StoringRound, settled, startPart, takeServerAccount } from './storing.ts';

/** The product on Kafka, PostgreSQL and Redis: `esp api` takes in while no worker runs, `esp worker` stores it afterwards. */
export interface ProductionResult {
  readonly connections: number;
  readonly bare: IngestSide;
  readonly product: IngestSide & { readonly threadCpuSecondsPer100k: Readonly<Record<string, Spread>> };
  /** Product over bare, of each pair of rounds. */
  readonly ratio: Spread;
  readonly refusals: number;
  readonly firstRefusal: string | null;
  /** NDJSON through one `esp api`, beside what Kafka's own producer brings in of records of that size. */
  readonly batchEventsPerSecond: Spread;
  readonly producerRecordsPerSecond: Spread;
  readonly batchRatio: Spread;
  readonly rowsPerSecond: Spread;
  /** PostgreSQL's COPY of the same rows from a file into a table like the product's, over one connection. */
  readonly copyRowsPerSecond: Spread;
  readonly copyRatio: Spread;
  /** While the worker stored, processor seconds for 100,000 events, by process. */
  readonly storingCpuSecondsPer100k: Readonly<Record<string, Spread>>;
  /** Highest seen, resident, of all rounds. */
  readonly workerPeakMb: number;
  readonly account: Account;
}

const singles = { connections: 64, eventsPerRequest: 1 };

export async function measureProduction(setup: Setup): Promise<ProductionResult> {
  await using stack = new AsyncDisposableStack();
  const servers = stack.use(await startServers());
  const ingest = await measureTakingIn(setup, servers);
  const storing: StoringRound[] = [];
  for (let round = 1; round <= setup.rounds; round += 1) {
    storing.push(await fillAndStore(setup, servers));
    const { rowsPerSecond, copyRowsPerSecond, batchEventsPerSecond } = storing.at(-1)!;
    setup.progress(
      `round ${round}: NDJSON ${Math.round(batchEventsPerSecond)}/s, stored ${Math.round(rowsPerSecond)}/s, ` +
        `COPY ${Math.round(copyRowsPerSecond)}/s`,
    );
  }
  const spread = (pick: (round: StoringRound) => number) => spreadOf(storing.map(pick));
  const processes = Object.keys(storing[0]!.cpuSecondsPer100k);
  return {
    ...ingest.result,
    batchEventsPerSecond: spread((round) => round.batchEventsPerSecond),
    producerRecordsPerSecond: spread((round) => round.producerRecordsPerSecond),
    batchRatio: spread((round) => round.batchEventsPerSecond / round.producerRecordsPerSecond),
    rowsPerSecond: spread((round) => round.rowsPerSecond),
    copyRowsPerSecond: spread((round) => round.copyRowsPerSecond),
    copyRatio: spread((round) => round.rowsPerSecond / round.copyRowsPerSecond),
    storingCpuSecondsPer100k: Object.fromEntries(
      processes.map((name) => [name, spread((round) => round.cpuSecondsPer100k[name]!)]),
    ),
    workerPeakMb: Math.max(...storing.map((round) => round.workerPeakMb)),
    account: sumOf([ingest.account, ...storing.map((round) => round.account)]),
  };
}

/** Single events beside the bare server; what was taken in is stored and counted when the load is over. */
async function measureTakingIn(setup: Setup, servers: Servers) {
  await using stack = new AsyncDisposableStack();
  const idsFile = join(makeDataDir(setup, stack), 'accepted-ids');
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const rounds = await alternate(setup, singles, stack, { port: api.port, pid: api.pid, idsFile });
  const worker = stack.use(await startPart('worker', installation, setup));
  await settled(installation, rounds.accepted);
  const account = await takeServerAccount(installation, api, { events: rounds.accepted, ids: readIds(idsFile) });
  await worker.stop();
  await api.stop();
  const { connections } = singles;
  const product = { ...sideOf(rounds.product), threadCpuSecondsPer100k: threadsOf(rounds.product) };
  return { result: { connections, ...comparisonOf(rounds), product }, account };
}
