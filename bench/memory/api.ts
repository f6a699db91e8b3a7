import type { Setup } from '../measurement.ts';
import type { Account } from '../parts/account.ts';
import { startPart, storeAndCount } from '../parts/production.ts';
import type { Servers } from '../parts/servers.ts';
import { startGenerator } from '../parts/setup.ts';
import { type MemoryUsage, memoryUsage, peakDuring } from '../parts/usage.ts';

/** Resident memory of one `esp api`, in MiB; each kind of load comes on top of those before it. */
export interface ApiMemory {
  readonly idle: MemoryUsage;
  readonly singlePeak: MemoryUsage;
  readonly arraysPeak: MemoryUsage;
  readonly ndjsonPeak: MemoryUsage;
  readonly account: Account;
}

/** What is accepted in a second of these takes several to store. */
const batchSeconds = 0.4;

export async function measureApi(setup: Setup, servers: Servers): Promise<ApiMemory> {
  await using stack = new AsyncDisposableStack();
  const generator = stack.use(startGenerator());
  const installation = await servers.install();
  const api = stack.use(await startPart('api', installation, setup));
  const idle = memoryUsage(api.pid);
  let events = 0;
  async function peakOf(load: { form: 'json' | 'array' | 'ndjson'; connections: number; eventsPerRequest: number }) {
    const seconds = load.form === 'json' ? setup.seconds : setup.seconds * batchSeconds;
    const plan = { ...load, port: api.port, seconds, requestsPerSecond: null, idsFile: null };
    const { result, peak } = await peakDuring(api.pid, () => generator.ask(plan));
    events += result.accepted;
    return peak;
  }
  const singlePeak = await peakOf({ form: 'json', connections: 64, eventsPerRequest: 1 });
  const arraysPeak = await peakOf({ form: 'array', connections: 64, eventsPerRequest: 100 });
  const ndjsonPeak = await peakOf({ form: 'ndjson', connections: 4, eventsPerRequest: 10_000 });
  setup.progress(`esp api: idle ${Math.round(idle.rssMb)} MiB, peak ${Math.round(ndjsonPeak.rssMb)} MiB`);
  const account = await storeAndCount(setup, installation, api, { events, ids: new Set() });
  await api.stop();
  return { idle, singlePeak, arraysPeak, ndjsonPeak, account };
}
