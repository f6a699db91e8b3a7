import type { Setup } from '../measurement.ts';
import { startPart, takeServerAccount } from '../parts/production.ts';
import type { Servers } from '../parts/servers.ts';
import { startGenerator } from '../parts/setup.ts';
import { type LatencyResult, measureAtHalf } from './half-of-top.ts';

/**
 * A broker compiles its own code until it has used about so much processor time, and takes twice as much of it for each
 * event meanwhile. In a run of all measurements it has served millions before.
 */
const warmBrokerCpuSeconds = 40;
const warmUpSecondsOfBroker = 12;
const warmUpSeconds = 5;

/** `esp api` and `esp worker`, side by side. */
export async function measureOnKafka(setup: Setup, servers: Servers): Promise<LatencyResult> {
  await using stack = new AsyncDisposableStack();
  const generator = stack.use(startGenerator());
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const worker = stack.use(await startPart('worker', installation, setup));
  const { accepted, ...result } = await measureAtHalf(setup, {
    product: api,
    generator,
    warmUpSeconds: servers.cpuSeconds().kafka < warmBrokerCpuSeconds ? warmUpSecondsOfBroker : warmUpSeconds,
    pids: [api.pid, worker.pid],
    cpuBehind: servers.cpuSeconds,
  });
  const account = await takeServerAccount(installation, api, { events: accepted, ids: new Set() });
  await worker.stop();
  await api.stop();
  return { ...result, account };
}
