import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { type Account, readIds } from '../parts/account.ts';
import { settledInDatabase, startPart, takeServerAccount } from '../parts/production.ts';
import { type Load, ratioOf, type SideResult, takeTurns } from '../parts/rounds.ts';
import type { Servers } from '../parts/servers.ts';
import { makeDataDir, startBareHttp, startGenerator } from '../parts/setup.ts';
import type { Spread } from '../parts/statistics.ts';

export interface KafkaIngest {
  readonly load: Load;
  readonly bare: SideResult;
  readonly product: SideResult;
  readonly ratio: Spread;
  readonly account: Account;
}

/** `esp api` in turn with the bare server, while no worker runs; what was taken in is stored and counted when the load is over. */
export async function measureOnKafka(setup: Setup, servers: Servers, load: Load): Promise<KafkaIngest> {
  await using stack = new AsyncDisposableStack();
  const idsFile = join(makeDataDir(setup, stack), 'accepted-ids');
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const generator = stack.use(startGenerator());
  const [bare, product] = await takeTurns(setup, load, generator, [
    { name: 'bare', ...(await startBareHttp(stack)), idsFile: null },
    { name: 'esp api', port: api.port, pid: api.pid, idsFile },
  ]);
  const worker = stack.use(await startPart('worker', installation, setup));
  await settledInDatabase(installation, product!.accepted);
  const accepted = { events: product!.accepted, ids: readIds(idsFile) };
  const account = await takeServerAccount(installation, api, accepted);
  await worker.stop();
  await api.stop();
  return { load, bare: bare!, product: product!, ratio: ratioOf(product!, bare!), account };
}
