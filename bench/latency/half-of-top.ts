import type { MetricsView } from '../../src/http/contract.ts';
import { probe } from '../load/probe.ts';
import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import type { Account } from '../parts/account.ts';
import type { Product } from '../parts/product.ts';
import { type Generator, watch } from '../parts/setup.ts';
import { type Quantiles, quantilesOf } from '../parts/statistics.ts';

export interface LatencyResult {
  readonly warmUpSeconds: number;
  readonly requestsPerSecond: number;
  /** POST → 202, from when the request was due. */
  readonly accept: LoadResult['latencyMs'];
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

export interface AtHalf {
  readonly product: Product;
  readonly generator: Generator;
  /** At the top rate, before anything is measured. */
  readonly warmUpSeconds: number;
  /** Of everything that takes part. */
  readonly pids: readonly number[];
  /** As `watch` has it. */
  readonly cpuBehind?: () => Readonly<Record<string, number>>;
}

/**
 * Finds what is taken in and stored for as long as one likes (all that was taken in, over the time until it was
 * stored), and looks at latencies at half of that.
 */
export async function measureAtHalf(
  setup: Setup,
  { product, generator, pids, warmUpSeconds, cpuBehind }: AtHalf,
): Promise<Omit<LatencyResult, 'account'> & { readonly accepted: number }> {
  const plan = { port: product.port, connections, eventsPerRequest: 1, form: 'json', idsFile: null } as const;
  const warmUp = await generator.ask({ ...plan, seconds: warmUpSeconds, requestsPerSecond: null });
  await product.settled();
  const startedAt = performance.now();
  const top = await generator.ask({ ...plan, seconds: Math.min(4, setup.seconds), requestsPerSecond: null });
  await product.settled();
  const sustained = top.accepted / ((performance.now() - startedAt) / 1000);
  const requestsPerSecond = Math.round(sustained / 2);

  const seconds = setup.seconds * 2;
  const loadAndProbe = async () => {
    const [load, probes] = await Promise.all([
      generator.ask({ ...plan, seconds, requestsPerSecond }),
      // A little shorter, so that every probe runs beside the load.
      probe(product.port, seconds - 1),
    ]);
    return { load, probes, backlog: (await product.ledger()).in_flight };
  };
  const { result, otherCores } = await watch([...pids, generator.pid], loadAndProbe, cpuBehind);
  const { load, probes, backlog } = result;
  await product.settled();
  const { latency_ms: ownStored } = await product.metrics();
  setup.progress(`${requestsPerSecond}/s: ${probes.dashboardMs.length} events watched until the dashboard had them`);
  return {
    warmUpSeconds,
    requestsPerSecond,
    accept: load.latencyMs,
    dashboard: quantilesOf(probes.dashboardMs),
    stored: quantilesOf(probes.storedMs),
    ownStored,
    backlog,
    otherCores,
    accepted: warmUp.accepted + top.accepted + load.accepted + probes.accepted,
  };
}
