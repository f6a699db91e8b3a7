import { setTimeout as delay } from 'node:timers/promises';
import { partitionOf } from '../../src/domain/partitioner.ts';
import { openLive } from '../load/probe.ts';
import type { Setup } from '../measurement.ts';
import type { Account } from '../parts/account.ts';
import type { Product } from '../parts/product.ts';
import { takeServerAccount } from '../parts/production.ts';
import { partitions, type ServerInstallation, type Servers, withDatabase } from '../parts/servers.ts';
import { type Quantiles, quantilesOf } from '../parts/statistics.ts';
import { scaled } from './fill.ts';
import { startFeeder, storeBacklog } from './storing.ts';

export interface BacklogResult {
  readonly events: number;
  /** Of a run of a tenth of it, before and behind. */
  readonly shortRowsPerSecond: readonly number[];
  readonly rowsPerSecond: number;
  /** Events of a partition that has no backlog, sent meanwhile: POST → the live snapshot that counts them. */
  readonly quietMs: Quantiles;
  /** Events sent meanwhile into a partition that has one, and what became of them. */
  readonly busy: {
    readonly sent: number;
    readonly stored: number;
    readonly counted: number;
    readonly inOrder: boolean;
    /** Any was stored before the backlog of its partition was. */
    readonly overtook: boolean;
  };
  readonly account: Account;
}

const longEvents = 3_000_000;
const shortPart = 0.1;
const quietPartition = 7;
const busyPartition = 0;
const sendEveryMs = 250;

export async function measureBacklog(setup: Setup, servers: Servers): Promise<BacklogResult> {
  const backlogEvents = scaled(setup, longEvents);
  const shortEvents = Math.ceil(backlogEvents * shortPart);
  await using stack = new AsyncDisposableStack();
  const feeder = stack.use(startFeeder());
  const keys = keysOf((partition) => partition !== quietPartition, 700);
  const feed = (events: number) => async (api: Product) => {
    const plan = { port: api.port, events, types: null, keys, ids: 'ingest', eventsPerSecond: null } as const;
    return (await feeder.ask(plan)).accepted;
  };
  const short = async () => storeBacklog(setup, await servers.install(), { feed: feed(shortEvents) });

  const before = await short();
  const installation = await servers.install();
  const fresh: Fresh = { untilLeft: backlogEvents / 20, quietMs: [], busySent: 0, busyCounted: 0 };
  let account: Account | null = null;
  const rowsPerSecond = await storeBacklog(setup, installation, {
    feed: feed(backlogEvents),
    meanwhile: (api) => sendFresh(api, fresh),
    async afterwards(api) {
      const { all_time: allTime } = await api.metrics();
      const events = backlogEvents + fresh.quietMs.length + fresh.busySent;
      account = await takeServerAccount(installation, api, { events, ids: new Set() });
      fresh.busyCounted = allTime.by_type.find(({ event_type }) => event_type === busyType)?.count ?? 0;
    },
  });
  const after = await short();
  setup.progress(
    `${backlogEvents} events at ${Math.round(rowsPerSecond)}/s, ${shortEvents} at ${Math.round(before)}/s`,
  );
  return {
    events: backlogEvents,
    shortRowsPerSecond: [before, after],
    rowsPerSecond,
    quietMs: quantilesOf(fresh.quietMs),
    busy: { sent: fresh.busySent, counted: fresh.busyCounted, ...(await findBusy(installation)) },
    account: account!,
  };
}

interface Fresh {
  /** It ends when so much of the backlog is left. */
  readonly untilLeft: number;
  readonly quietMs: number[];
  busySent: number;
  busyCounted: number;
}

/** Until the backlog is nearly done. */
async function sendFresh(api: Product, fresh: Fresh): Promise<void> {
  const live = await openLive(api.port);
  const [quietKey] = keysOf((partition) => partition === quietPartition, 1);
  const [busyKey] = keysOf((partition) => partition === busyPartition, 1);
  const post = (eventType: string, key: string, number: number) =>
    fetch(`http://127.0.0.1:${api.port}/api/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ event_type: eventType, key, payload: { number } }),
    });
  try {
    while ((await api.ledger()).in_flight > fresh.untilLeft) {
      const sentAt = performance.now();
      await post(quietType, quietKey!, fresh.quietMs.length);
      const seenAt = await live.seen(quietType, fresh.quietMs.length + 1);
      fresh.quietMs.push(seenAt - sentAt);
      await post(busyType, busyKey!, fresh.busySent);
      fresh.busySent += 1;
      await delay(sendEveryMs);
    }
  } finally {
    live.close();
  }
}

const quietType = 'fresh.quiet';
const busyType = 'fresh.busy';

async function findBusy({ databaseUrl }: ServerInstallation) {
  return withDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ number: string; overtook: boolean }>(
      `SELECT payload->>'number' AS number, overtook FROM (
         SELECT event_type, payload, log_offset, stored_at < max(stored_at) OVER (ORDER BY log_offset) AS overtook
         FROM events WHERE partition = $1
       ) AS stored
       WHERE event_type = $2 ORDER BY log_offset`,
      [busyPartition, busyType],
    );
    return {
      stored: rows.length,
      inOrder: rows.every(({ number }, index) => Number(number) === index),
      overtook: rows.some(({ overtook }) => overtook),
    };
  });
}

/** Keys whose partitions are wanted. */
function keysOf(isWanted: (partition: number) => boolean, count: number): readonly string[] {
  const keys: string[] = [];
  for (let number = 0; keys.length < count; number += 1) {
    const key = `customer-${number}`;
    if (isWanted(partitionOf(key, partitions))) keys.push(key);
  }
  return keys;
}
