import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { goPrograms } from '../baselines/go-programs.ts';
import { miscounts, startFastify, startGoBaselines } from '../baselines/sides.ts';
import type { Setup } from '../measurement.ts';
import { type Account, readIds } from '../parts/account.ts';
import { startPart, storeAndCount } from '../parts/production.ts';
import { fastestOf, type Load, type Side, type SideResult, takeTurns } from '../parts/rounds.ts';
import type { Servers } from '../parts/servers.ts';
import { makeDataDir, startBareHttp, startGenerator } from '../parts/setup.ts';

export interface KafkaIngest {
  readonly load: Load;
  readonly bare: SideResult | null;
  /** The faster of the two in Go; null where there is no Go. */
  readonly peer: SideResult | null;
  /**
   * One process of the product's, with as many threads that serve HTTP as there are cores, two at least; null where it
   * was not asked for.
   */
  readonly threaded: SideResult | null;
  /** One process as it comes: a thread serves. */
  readonly one: SideResult;
  /** Several of these. */
  readonly several: SideResult;
  readonly processes: number;
  /** All of them, in the order in which they took turns. */
  readonly sides: readonly SideResult[];
  /** Why something was left out. */
  readonly leftOut: string | null;
  /** Baselines that did not do what they answered. */
  readonly miscounts: readonly string[];
  readonly account: Account;
}

export interface KafkaSides {
  readonly withBare: boolean;
  readonly withFastify: boolean;
  readonly withThreads: boolean;
  /** Of the product, beside the one. */
  readonly processes: number;
  /** Whether each of these has as many clients as one alone, or they share them. */
  readonly clientsForEach: boolean;
}

const threads = String(Math.max(2, availableParallelism()));
const oneName = 'esp api';

/**
 * `esp api` in turn with the baselines, while no worker runs: one process of it, one with several threads, and several
 * over a port each. What the product took in is stored and counted when the load is over, and what the baselines took
 * in is counted in their topics.
 */
export async function measureOnKafka(
  setup: Setup,
  servers: Servers,
  load: Load,
  { withBare, withFastify, withThreads, processes, clientsForEach }: KafkaSides,
): Promise<KafkaIngest> {
  await using stack = new AsyncDisposableStack();
  const idsFile = load.eventsPerRequest === 1 ? join(makeDataDir(setup, stack), 'accepted-ids') : null;
  const installation = await servers.install();
  const go = await goPrograms();
  const inGo = 'leftOut' in go ? [] : await startGoBaselines(stack, installation, go);
  const baselines = [...inGo, ...(withFastify ? [await startFastify(stack, installation)] : [])];
  const starting = Array.from({ length: processes }, () => startPart('api', installation, setup));
  const apis = (await Promise.all(starting)).map((api) => stack.use(api));
  const threaded = withThreads
    ? [stack.use(await startPart('api', installation, setup, { ESP_HTTP_THREADS: threads }))]
    : [];
  const generator = stack.use(startGenerator());
  const bare: Side[] = withBare ? [{ name: 'bare node:http', ...(await startBareHttp(stack)), idsFile: null }] : [];
  const own: Side[] = [
    ...threaded.map(({ port, pid }) => ({ name: `esp api --threads ${threads}`, port, pid, idsFile })),
    { name: oneName, port: apis[0]!.port, pid: apis[0]!.pid, idsFile },
    {
      name: `${processes} × ${oneName}${clientsForEach ? `, ${load.connections} clients each` : ''}`,
      port: apis.map(({ port }) => port),
      pid: apis.map(({ pid }) => pid),
      idsFile,
      connections: clientsForEach ? processes * load.connections : load.connections,
    },
  ];
  const results = await takeTurns(setup, load, generator, [...bare, ...baselines, ...own], servers.cpuSeconds);
  const resultsOf = (sides: readonly Pick<Side, 'name'>[]) =>
    sides.map((side) => results.find(({ name }) => name === side.name)!);
  const events = resultsOf(own).reduce((sum, { accepted }) => sum + accepted, 0);
  const account = await storeAndCount(setup, installation, apis[0]!, { events, ids: readIds(idsFile) });
  for (const api of [...threaded, ...apis]) await api.stop();
  const [firstOfGo, ...others] = resultsOf(inGo);
  const [one, several] = resultsOf(own.slice(threaded.length));
  return {
    load,
    bare: resultsOf(bare)[0] ?? null,
    peer: firstOfGo === undefined ? null : fastestOf([firstOfGo, ...others]),
    threaded: resultsOf(own.slice(0, threaded.length))[0] ?? null,
    one: one!,
    several: several!,
    processes,
    sides: results,
    leftOut: 'leftOut' in go ? go.leftOut : null,
    miscounts: await miscounts(installation, baselines, results),
    account,
  };
}
