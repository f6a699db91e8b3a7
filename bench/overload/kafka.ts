import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { readIds } from '../parts/account.ts';
import { startPart, storeAndCount } from '../parts/production.ts';
import type { Servers } from '../parts/servers.ts';
import { makeDataDir, startGenerator } from '../parts/setup.ts';
import { type OverloadResult, overloadServer, startOfferer } from './run.ts';

/** `esp api` while no worker runs; what it has accepted is stored and counted afterwards. */
export async function measureOnKafka(setup: Setup, servers: Servers): Promise<OverloadResult> {
  await using stack = new AsyncDisposableStack();
  const idsFile = join(makeDataDir(setup, stack), 'accepted-ids');
  const [generator, offerer] = [stack.use(startGenerator()), stack.use(startOfferer())];
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const { port, pid } = api;
  const server = { port, pid, idsFile };
  const overloaded = await overloadServer(setup, server, generator, offerer, servers.cpuSeconds);
  const { acceptedInAll: events, ...result } = overloaded;
  const account = await storeAndCount(setup, installation, api, { events, ids: readIds(idsFile) });
  await api.stop();
  return { ...result, account };
}
