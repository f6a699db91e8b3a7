import type { LoadResult } from '../load/tally.ts';
import type { Setup } from '../measurement.ts';
import { takeAccount } from '../parts/account.ts';
import { startEmbedded } from '../parts/product.ts';
import { makeDataDir, startBareHttp, startGenerator } from '../parts/setup.ts';
import { type LatencyResult, measureAtHalf } from './half-of-top.ts';

export interface EmbeddedLatency extends LatencyResult {
  readonly bareAccept: LoadResult['latencyMs'];
}

const warmUpSeconds = 3;
const bareSeconds = 3;

export async function measureEmbedded(setup: Setup): Promise<EmbeddedLatency> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const generator = stack.use(startGenerator());
  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  const pids = [product.pid];
  const { accepted, ...result } = await measureAtHalf(setup, { product, generator, pids, warmUpSeconds });
  const ledger = await product.settled();
  await product.stop();
  const bare = await startBareHttp(stack);
  const { latencyMs: bareAccept } = await generator.ask({
    ...{ port: bare.port, connections: 64, eventsPerRequest: 1, form: 'json', idsFile: null },
    ...{ seconds: bareSeconds, requestsPerSecond: result.requestsPerSecond },
  });
  const account = takeAccount(dataDir, { events: accepted, idsFile: null }, ledger);
  return { ...result, bareAccept, account };
}
