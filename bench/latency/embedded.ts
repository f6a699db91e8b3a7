import type { MetricsView } from '../../src/http/contract.ts';
import { probe } from '../load/probe.ts';
import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import { type Account, takeAccount } from '../parts/account.ts';
import { startEmbedded } from '../parts/product.ts';
import { makeDataDir, startBareHttp, startGenerator, watch } from '../parts/setup.ts';
import { type Quantiles, quantilesOf } from '../parts/statistics.ts';

export interface LatencyResult {
  readonly requestsPerSecond: number;
  /** POST → 202, from when the request was due. */
  readonly accept: LoadResult['latencyMs'];
  readonly bareAccept: LoadResult['latencyMs'];
  /** POST → the live snapshot that counts the event, as a dashboard gets it. */
  readonly dashboard: Quantiles;
  /** POST with ?wait=stored → stored. */
  readonly stored: Quantiles;
  /** The product's own figure for every event of the load: received → stored. */
  readonly ownStored: MetricsView['latency_ms'];
  readonly backlog: number;
  readonly otherCores: number;
  readonly account: Account;
}

const connections = 64;

export async function measureEmbedded(setup: Setup): Promise<LatencyResult> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const generator = stack.use(startGenerator());
  const bare = await startBareHttp(stack);
  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  const plan = { connections, eventsPerRequest: 1, form: 'json', idsFile: null, requestsPerSecond: null } as const;

  const top = await generator.ask({ ...plan, port: product.port, seconds: Math.min(4, setup.seconds) });
  await product.settled();
  const requestsPerSecond = Math.round(top.requestsPerSecond / 2);
  const seconds = setup.seconds * 2;
  const paced = { ...plan, seconds, requestsPerSecond };
  const bareLoad = await generator.ask({ ...paced, port: bare.port });
  const watched = await watch([product.pid, generator.pid], async () => {
    const [load, probes] = await Promise.all([
      generator.ask({ ...paced, port: product.port }),
      // A little shorter, so that every probe runs beside the load.
      probe(product.port, seconds - 1),
    ]);
    return { load, probes, backlog: (await product.ledger()).in_flight };
  });
  const { load, probes, backlog } = watched.result;
  const ledger = await product.settled();
  const metrics = await product.metrics();
  await product.stop();
  setup.progress(`${requestsPerSecond}/s: ${probes.dashboardMs.length} events watched until the dashboard had them`);
  const accepted = top.accepted + load.accepted + probes.accepted;
  return {
    requestsPerSecond,
    accept: load.latencyMs,
    bareAccept: bareLoad.latencyMs,
    dashboard: quantilesOf(probes.dashboardMs),
    stored: quantilesOf(probes.storedMs),
    ownStored: metrics.latency_ms,
    backlog,
    otherCores: watched.otherCores,
    account: takeAccount(dataDir, { events: accepted, idsFile: null }, ledger),
  };
}
