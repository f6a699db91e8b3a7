import type { Setup } from '../measurement.ts';
import { type Product, runCommand } from '../parts/product.ts';
import { dropInstallation, type ServerInstallation, type Servers, withDatabase } from '../parts/servers.ts';
import { type Spread, spreadOf } from '../parts/statistics.ts';
import { dayMs, type Fill, scaled } from './fill.ts';
import { fillPostgres } from './fill-postgres.ts';
import { startFeeder, storeBacklog } from './storing.ts';

/** What storing costs in a small table and in a large one, of one kind of ids. */
export interface RowsAtSize {
  readonly ids: 'made at ingest (UUIDv7)' | 'random of the client (UUIDv4)';
  readonly rowsStored: number;
  readonly emptyRowsPerSecond: Spread;
  readonly fullRowsPerSecond: Spread;
  /** Of each pair of neighbours. */
  readonly ratio: Spread;
  readonly indexBytes: number;
  /** For each row that was stored into the full table: bytes of write-ahead log, whole pages in it, pages read. */
  readonly perRow: { readonly walBytes: number; readonly fullPageImages: number; readonly pagesRead: number };
}

/**
 * Random ids have no mark, and half is enough to be past memory: an index of 400 MiB beside `shared_buffers` of 128.
 */
const rowsWhenFull = { v7: 20_000_000, v4: 10_000_000 };
const eventsOfARound = 400_000;

export async function measureRowsAtSize(setup: Setup, servers: Servers, ids: Fill['ids']): Promise<RowsAtSize> {
  const rowsFull = scaled(setup, rowsWhenFull[ids]);
  setup.progress(`filling ${rowsFull} rows, ids ${ids}`);
  const full = await fillInstallation(servers, {
    rows: rowsFull,
    types: 10,
    spanMs: 30 * dayMs,
    ids,
    failed: 0,
  });
  const result = await compareSizes(setup, await servers.install(), full, ids);
  await dropInstallation(full);
  return result;
}

export async function fillInstallation(servers: Servers, fill: Fill): Promise<ServerInstallation> {
  const installation = await servers.install();
  await fillPostgres(installation.databaseUrl, fill);
  await runCommand(['doctor', '--adopt-log'], installation.settings);
  return installation;
}

async function compareSizes(
  setup: Setup,
  empty: ServerInstallation,
  full: ServerInstallation,
  ids: Fill['ids'],
): Promise<RowsAtSize> {
  const [rowsFull, eventsOfRound] = [scaled(setup, rowsWhenFull[ids]), scaled(setup, eventsOfARound)];
  await using stack = new AsyncDisposableStack();
  const feeder = stack.use(startFeeder());
  const feed = async ({ port }: Product) => {
    const plan = { port, events: eventsOfRound, types: null, keys: null, eventsPerSecond: null } as const;
    return (await feeder.ask({ ...plan, ids: ids === 'v4' ? 'client' : 'ingest' })).accepted;
  };
  const rates: { empty: number; full: number }[] = [];
  const costs: RowsAtSize['perRow'][] = [];
  for (let round = 1; round <= setup.rounds; round += 1) {
    const ofEmpty = await storeBacklog(setup, empty, { feed });
    const before = await readCosts(full);
    const ofFull = await storeBacklog(setup, full, { feed });
    const after = await readCosts(full);
    rates.push({ empty: ofEmpty, full: ofFull });
    costs.push({
      walBytes: (after.walBytes - before.walBytes) / eventsOfRound,
      fullPageImages: (after.fullPageImages - before.fullPageImages) / eventsOfRound,
      pagesRead: (after.pagesRead - before.pagesRead) / eventsOfRound,
    });
    setup.progress(`round ${round}: ${Math.round(ofEmpty)} rows/s into few, ${Math.round(ofFull)} into ${rowsFull}`);
  }
  const spread = (pick: (rate: { empty: number; full: number }) => number) => spreadOf(rates.map(pick));
  const mean = (pick: (cost: RowsAtSize['perRow']) => number) =>
    costs.reduce((sum, cost) => sum + pick(cost), 0) / costs.length;
  return {
    ids: ids === 'v7' ? 'made at ingest (UUIDv7)' : 'random of the client (UUIDv4)',
    rowsStored: rowsFull,
    emptyRowsPerSecond: spread((rate) => rate.empty),
    fullRowsPerSecond: spread((rate) => rate.full),
    ratio: spread((rate) => rate.full / rate.empty),
    indexBytes: (await readCosts(full)).indexBytes,
    perRow: {
      walBytes: mean((cost) => cost.walBytes),
      fullPageImages: mean((cost) => cost.fullPageImages),
      pagesRead: mean((cost) => cost.pagesRead),
    },
  };
}

async function readCosts({ databaseUrl }: ServerInstallation) {
  return withDatabase(databaseUrl, async (client) => {
    // From a checkpoint on, so that each round begins with pages that have to be logged whole.
    await client.query('CHECKPOINT');
    const { rows } = await client.query<Record<'wal' | 'images' | 'reads' | 'bytes', string>>(
      `SELECT wal_bytes AS wal, wal_fpi AS images, pg_relation_size('events_id') AS bytes,
         (SELECT blks_read FROM pg_stat_database WHERE datname = current_database()) AS reads
       FROM pg_stat_wal`,
    );
    const { wal, images, reads, bytes } = rows[0]!;
    return {
      walBytes: Number(wal),
      fullPageImages: Number(images),
      pagesRead: Number(reads),
      indexBytes: Number(bytes),
    };
  });
}
