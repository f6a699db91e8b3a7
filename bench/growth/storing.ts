import { join } from 'node:path';
import type { Setup } from '../measurement.ts';
import { startChild } from '../parts/child.ts';
import type { Product } from '../parts/product.ts';
import { startPart, watchOutcomes } from '../parts/production.ts';
import type { ServerInstallation } from '../parts/servers.ts';
import { waitFor } from '../parts/wait.ts';
import type { FeedPlan } from './feeder.ts';

export function startFeeder() {
  return startChild<FeedPlan, { accepted: number; seconds: number }>(join(import.meta.dirname, 'feeder.ts'));
}

export interface Backlog {
  /** Answers how many events were accepted. */
  feed(api: Product): Promise<number>;
  meanwhile?(api: Product): Promise<void>;
  /** With everything stored and the API still there. */
  afterwards?(api: Product): Promise<void>;
}

const nothing = async () => undefined;

const settledMs = 600_000;
const pollMs = 20;

/**
 * A backlog that was taken in while no worker ran, then a worker, until everything has its outcome. The clock runs from
 * the first rows that are there to the last: starting up is left out.
 *
 * @returns rows a second
 */
export async function storeBacklog(
  setup: Setup,
  installation: ServerInstallation,
  { feed, meanwhile = nothing, afterwards = nothing }: Backlog,
): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const api = stack.use(await startPart('api', installation, setup));
  const outcomes = stack.use(await watchOutcomes(installation));
  const before = await outcomes.count();
  const events = await feed(api);
  const worker = stack.use(await startPart('worker', installation, setup));
  const whileStoring = Promise.withResolvers<void>();
  const atStart = await waitFor(
    'the first rows',
    async () => {
      const count = await outcomes.count();
      return count > before && count;
    },
    { everyMs: pollMs },
  );
  const startedAt = performance.now();
  meanwhile(api).then(whileStoring.resolve, whileStoring.reject);
  await outcomes.reached(before + events, settledMs);
  const seconds = (performance.now() - startedAt) / 1000;
  await whileStoring.promise;
  await api.settled();
  await afterwards(api);
  await worker.stop();
  await api.stop();
  return (before + events - atStart) / seconds;
}
