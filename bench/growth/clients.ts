import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { startChild } from '../parts/child.ts';
import { startPart } from '../parts/production.ts';
import type { ServerInstallation } from '../parts/servers.ts';
import { watch } from '../parts/setup.ts';
import type { LivePlan, LiveSeen } from './live-clients.ts';
import { startFeeder } from './storing.ts';

/** What dashboards cost an API whose counters rise meanwhile. */
export interface ClientsResult {
  readonly clients: number;
  readonly eventsPerSecond: number;
  /** Of a core: the API without a client, with one, and with all of them. */
  readonly withoutCores: number;
  readonly oneCores: number;
  readonly allCores: number;
  readonly seen: LiveSeen;
}

const clients = 200;
const eventsPerSecond = 500;
/** Longer than what starts with the first client takes. */
const settleSeconds = 2;

export async function measureClients(
  setup: Setup,
  installation: ServerInstallation,
  types: number,
): Promise<ClientsResult> {
  await using stack = new AsyncDisposableStack();
  const api = stack.use(await startPart('api', installation, setup));
  const worker = stack.use(await startPart('worker', installation, setup));
  const feeder = stack.use(startFeeder());
  const live = stack.use(startChild<LivePlan, LiveSeen>(join(import.meta.dirname, 'live-clients.ts')));
  const seconds = Math.max(6, setup.seconds);
  const feedSeconds = 3 * (seconds + settleSeconds) + 10;
  const feed = feeder.ask({
    port: api.port,
    events: feedSeconds * eventsPerSecond,
    types,
    keys: null,
    ids: 'ingest',
    eventsPerSecond,
  });

  /** Of the API, while so many look. */
  async function coresWith(count: number): Promise<{ cores: number; seen: LiveSeen }> {
    const looking = live.ask({ port: api.port, clients: count, seconds: seconds + settleSeconds });
    await new Promise((resolve) => setTimeout(resolve, settleSeconds * 1000));
    const { cpu, wallSeconds } = await watch(
      [api.pid],
      () => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
    );
    return { cores: cpu[0]!.totalSeconds / wallSeconds, seen: await looking };
  }

  // Compiled, connected and warm before anything counts.
  await live.ask({ port: api.port, clients: 1, seconds: settleSeconds });
  const without = await coresWith(0);
  const one = await coresWith(1);
  const all = await coresWith(clients);
  await feed;
  await api.settled();
  await worker.stop();
  await api.stop();
  setup.progress(
    `${clients} clients: ${(all.cores - without.cores).toFixed(3)} of a core, one: ${(one.cores - without.cores).toFixed(3)}`,
  );
  return {
    clients,
    eventsPerSecond,
    withoutCores: without.cores,
    oneCores: one.cores,
    allCores: all.cores,
    seen: all.seen,
  };
}
