import { sampleEventBytes } from '../load/sample-event.ts';
import type { Account } from './account.ts';
import { peakDuring } from './memory.ts';
import { type Product, startProduct } from './product.ts';
import { type ServerInstallation, type Servers, withDatabase } from './servers.ts';
import { type Setup, startGenerator } from './setup.ts';
import { cpuUsage } from './usage.ts';
import { waitFor } from './wait.ts';

const lines = { connections: 8, eventsPerRequest: 1_000 };
/** How many events a round stores: seconds' worth of what a fast machine does. */
const eventsPerSecondOfRound = 60_000;
const settledMs = 300_000;
const pollMs = 20;

export interface StoringRound {
  readonly batchEventsPerSecond: number;
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
export async function fillAndStore(setup: Setup, servers: Servers): Promise<StoringRound> {
  await using stack = new AsyncDisposableStack();
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const generator = stack.use(startGenerator());
  const events = setup.seconds * eventsPerSecondOfRound;
  let accepted = 0;
  let batchEventsPerSecond = 0;
  const plan = { ...lines, port: api.port, requestsPerSecond: null, idsFile: null };
  // Some seconds of load at a time, until there is a backlog for the worker; the last, and not the first, is the warm one.
  for (let seconds = 1; accepted < events; seconds = Math.max(1, setup.seconds / 2)) {
    const load = await generator.ask({ ...plan, seconds });
    accepted += load.accepted;
    batchEventsPerSecond = load.eventsPerSecond;
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
  const peak = await peakDuring(worker.pid, () => settled(installation, accepted));
  const seconds = (performance.now() - startedAt) / 1000;
  const cpuAfter = cpuSeconds();
  const storedMeanwhile = accepted - before;
  if (storedMeanwhile < accepted / 2)
    throw new Error(`only ${storedMeanwhile} events were left when the clock started`);
  const account = await takeServerAccount(installation, api, { events: accepted, ids: new Set() });
  await worker.stop();
  await api.stop();
  return {
    batchEventsPerSecond,
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

export function startPart(
  command: 'api' | 'worker',
  { settings }: ServerInstallation,
  { profileDir }: Setup,
): Promise<Product> {
  // Neither is ready without the other, and a worker that is waited for has stored already.
  return startProduct({ command, settings, profileDir, waitUntilReady: false });
}

/** Waits until every record of the topic has its outcome in the database; asks there, and not the product. */
export async function settled(installation: ServerInstallation, events: number): Promise<void> {
  await waitFor('everything to be stored', async () => (await outcomes(installation)) >= events, {
    timeoutMs: settledMs,
    everyMs: pollMs,
  });
}

/** @returns how many there were when the first were seen */
function started(installation: ServerInstallation): Promise<number> {
  return waitFor('the first rows', async () => (await outcomes(installation)) || null, { everyMs: pollMs });
}

function outcomes({ databaseUrl }: ServerInstallation): Promise<number> {
  return withDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query('SELECT coalesce(sum(next_offset - base), 0) AS count FROM progress');
    return Number(rows[0].count);
  });
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

/** As `takeAccount`, from PostgreSQL; that the metrics on Redis count the same is part of the ledger's agreeing. */
export async function takeServerAccount(
  { databaseUrl }: ServerInstallation,
  api: Product,
  accepted: { readonly events: number; readonly ids: Set<string> },
): Promise<Account> {
  const idsChecked = accepted.ids.size;
  const stored = await withDatabase(databaseUrl, async (client) => {
    if (idsChecked > 0) {
      const { rows } = await client.query<{ id: string }>('SELECT id FROM events');
      for (const { id } of rows) accepted.ids.delete(id.replaceAll('-', ''));
    }
    const { rows } = await client.query('SELECT count(*) AS count FROM events');
    return Number(rows[0].count);
  });
  const ledger = await api.settled();
  // The metrics follow the store by a moment.
  const counted = await waitFor(
    'the metrics to count every event',
    async () => (await api.metrics()).all_time.total >= stored && (await api.metrics()).all_time.total,
  ).catch(() => null);
  return {
    accepted: accepted.events,
    stored,
    idsChecked,
    lost: Math.max(accepted.ids.size, accepted.events - stored, 0),
    // The id is the table's primary key, so a second row of one would be another id's.
    doubled: Math.max(stored - accepted.events, ledger.appended - accepted.events, 0),
    ledgerAgrees: ledger.balanced && ledger.stored === stored && ledger.appended === stored && counted === stored,
  };
}
