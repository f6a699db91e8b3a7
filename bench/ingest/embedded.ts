import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { type Account, takeAccount } from '../parts/account.ts';
import { startEmbedded } from '../parts/product.ts';
import { type Load, ratioOf, type SideResult, takeTurns } from '../parts/rounds.ts';
import { makeDataDir, startBareHttp, startGenerator } from '../parts/setup.ts';
import { type Spread, spreadOf } from '../parts/statistics.ts';

export interface EmbeddedIngest {
  readonly load: Load;
  readonly bare: SideResult;
  readonly product: SideResult;
  readonly ratio: Spread;
  /** Events not yet stored when a round's load ended. */
  readonly backlog: Spread;
  readonly drainSeconds: Spread;
  /** Until everything was stored, the drain included. */
  readonly storedPerSecond: Spread;
  readonly account: Account;
}

/** What was left to store when a round's load ended, and how long that took. */
interface Drain {
  readonly backlog: number;
  readonly seconds: number;
}

/**
 * The same load in turn on a bare server and on the product, both running all the time, the worker storing meanwhile.
 */
export async function measureEmbedded(setup: Setup, load: Load): Promise<EmbeddedIngest> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const idsFile = join(dataDir, 'accepted-ids');
  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  const drains: Drain[] = [];
  async function afterLoad(): Promise<void> {
    const endedAt = performance.now();
    const backlog = (await product.ledger()).in_flight;
    if (backlog > 0) await product.settled();
    drains.push({ backlog, seconds: backlog > 0 ? (performance.now() - endedAt) / 1000 : 0 });
  }
  const generator = stack.use(startGenerator());
  const [bare, ours] = await takeTurns(setup, load, generator, [
    { name: 'bare', ...(await startBareHttp(stack)), idsFile: null },
    { name: 'product', port: product.port, pid: product.pid, idsFile, afterLoad },
  ]);
  const ledger = await product.settled();
  await product.stop();
  // Those before are of the warm-up.
  const counted = drains.slice(-ours!.rounds.length);
  return {
    load,
    bare: bare!,
    product: ours!,
    ratio: ratioOf(ours!, bare!),
    backlog: spreadOf(counted.map(({ backlog }) => backlog)),
    drainSeconds: spreadOf(counted.map(({ seconds }) => seconds)),
    storedPerSecond: spreadOf(
      ours!.rounds.map((round, i) => round.load.accepted / (round.load.seconds + counted[i]!.seconds)),
    ),
    account: takeAccount(dataDir, { events: ours!.accepted, idsFile }, ledger),
  };
}
