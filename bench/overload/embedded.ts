import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { takeAccount } from '../parts/account.ts';
import { startEmbedded } from '../parts/product.ts';
import { makeDataDir, startGenerator } from '../parts/setup.ts';
import { type OverloadResult, overloadServer, startOfferer } from './run.ts';

/** `esp start`, its worker storing all the while. */
export async function measureEmbedded(setup: Setup): Promise<OverloadResult> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const idsFile = join(dataDir, 'accepted-ids');
  const [generator, offerer] = [stack.use(startGenerator()), stack.use(startOfferer())];
  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  const { port, pid } = product;
  const { acceptedInAll, ...result } = await overloadServer(setup, { port, pid, idsFile }, generator, offerer);
  const ledger = await product.settled();
  await product.stop();
  return { ...result, account: takeAccount(dataDir, { events: acceptedInAll, idsFile }, ledger) };
}
