import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { readIds } from '../parts/account.ts';
import { settledInDatabase, startPart, takeServerAccount } from '../parts/production.ts';
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
  const { acceptedInAll, ...result } = await overloadServer(setup, { port, pid, idsFile }, generator, offerer);
  const worker = stack.use(await startPart('worker', installation, setup));
  await settledInDatabase(installation, acceptedInAll);
  const account = await takeServerAccount(installation, api, { events: acceptedInAll, ids: readIds(idsFile) });
  await worker.stop();
  await api.stop();
  return { ...result, account };
}
