import type { Setup } from '../measurement.ts';
import { type Product, runCommand, startEmbedded, startProduct } from '../parts/product.ts';
import { dropInstallation, type ServerInstallation, type Servers } from '../parts/servers.ts';
import { makeDataDir } from '../parts/setup.ts';
import { type ClientsResult, measureClients } from './clients.ts';
import { dayMs, type Fill, minuteMs, scaled } from './fill.ts';
import { fillSqlite } from './fill-sqlite.ts';
import { type ReadTimes, timeReads } from './reads.ts';
import { measureRebuild, type RebuildResult } from './rebuild.ts';
import { fillInstallation } from './rows-at-size.ts';
import { startFeeder } from './storing.ts';

/** The same reads of a store with few rows and of one with many. */
export interface Reads {
  readonly fewRows: number;
  readonly manyRows: number;
  readonly times: readonly ReadTimes[];
}

/** What was measured of a store on servers that has grown large. */
export interface GrownReads {
  readonly types: number;
  readonly reads: Reads;
  readonly clients: ClientsResult;
  /** With a month of history, and with the same number of events in as many minutes as they take. */
  readonly rebuilds: readonly { readonly history: string; readonly result: RebuildResult }[];
}

const fewRows = 10_000;
const manyRowsFull = 10_000_000;
/** SQLite is filled by one thread. */
const manyRowsEmbedded = 2_000_000;
/** Of both sides before they are read, so that every window of both has as many events and types. */
const recentEvents = 10_000;
const readRounds = 60;
/** 10 million events at 100,000 a second. */
const fastSpanMs = 2 * minuteMs;

const fillOf = (rows: number, types: number): Fill => ({
  rows,
  types,
  spanMs: 30 * dayMs,
  ids: 'v7',
  failed: Math.max(200, rows / 1_000),
});

export async function measureGrown(setup: Setup, servers: Servers, types: number): Promise<GrownReads> {
  const manyRows = scaled(setup, manyRowsFull);
  const few = await fillInstallation(servers, fillOf(fewRows, types));
  setup.progress(`filling ${manyRows} rows of ${types} types`);
  const many = await fillInstallation(servers, fillOf(manyRows, types));
  const times = await readBoth(setup, few, many, types);
  const clients = await measureClients(setup, few, types);
  const month = await measureRebuild(setup, many);
  await dropInstallation(many);
  setup.progress(`filling ${manyRows} rows of ${types} types in ${fastSpanMs / minuteMs} minutes`);
  const fast = await fillInstallation(servers, {
    ...fillOf(manyRows, types),
    spanMs: fastSpanMs,
  });
  const minutes = await measureRebuild(setup, fast);
  await dropInstallation(fast);
  return {
    types,
    reads: { fewRows, manyRows, times },
    clients,
    rebuilds: [
      { history: 'of 30 days', result: month },
      { history: `of ${fastSpanMs / minuteMs} minutes`, result: minutes },
    ],
  };
}

async function readBoth(
  setup: Setup,
  few: ServerInstallation,
  many: ServerInstallation,
  types: number,
): Promise<readonly ReadTimes[]> {
  await using stack = new AsyncDisposableStack();
  const { profileDir } = setup;
  const ofFew = stack.use(await startProduct({ settings: few.settings, profileDir }));
  const ofMany = stack.use(await startProduct({ settings: many.settings, profileDir }));
  // Awaited here, or the products would be stopped before they are read.
  return await freshenAndRead(ofFew, ofMany, types);
}

export async function measureEmbeddedReads(setup: Setup): Promise<Reads> {
  await using stack = new AsyncDisposableStack();
  const types = 10;
  const start = async (rows: number) => {
    const dataDir = makeDataDir(setup, stack);
    await (await startEmbedded({ dataDir, profileDir: null })).stop();
    setup.progress(`filling ${rows} rows of ${types} types`);
    fillSqlite(dataDir, fillOf(rows, types));
    await runCommand(['doctor', '--adopt-log'], { ESP_DATA_DIR: dataDir });
    return stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  };
  const few = await start(fewRows);
  const manyRows = scaled(setup, manyRowsEmbedded);
  const many = await start(manyRows);
  return { fewRows, manyRows, times: await freshenAndRead(few, many, types) };
}

async function freshenAndRead(few: Product, many: Product, types: number): Promise<readonly ReadTimes[]> {
  await using feeder = startFeeder();
  for (const { port, settled } of [few, many]) {
    await feeder.ask({ port, events: recentEvents, types, keys: null, ids: 'ingest', eventsPerSecond: null });
    await settled();
  }
  return timeReads(few, many, readRounds);
}
