import { setTimeout as delay } from 'node:timers/promises';
import type { Setup } from '../measurement.ts';
import { startEmbedded } from '../parts/product.ts';
import { makeDataDir, startGenerator } from '../parts/setup.ts';
import { type MemoryUsage, memoryUsage, peakDuring } from '../parts/usage.ts';

/** Resident memory of the product's one process, in MiB. */
export interface MemoryResult {
  readonly startMs: number;
  /** Some seconds after a start, on a directory without events. Not the very first start of this version. */
  readonly idle: MemoryUsage;
  /** Highest seen while 64 connections send single events as fast as they can. */
  readonly singlePeak: MemoryUsage;
  /** Highest seen while 8 connections send 1,000 events a request. */
  readonly batchPeak: MemoryUsage;
  /** With everything stored and nobody sending. */
  readonly after: MemoryUsage;
}

const idleMs = 4_000;

export async function measureEmbedded(setup: Setup): Promise<MemoryResult> {
  await using stack = new AsyncDisposableStack();
  const dataDir = makeDataDir(setup, stack);
  const generator = stack.use(startGenerator());
  // The first start after an installation or a change compiles everything and keeps it for the next ones.
  await (await startEmbedded({ dataDir, profileDir: null })).stop();
  const product = stack.use(await startEmbedded({ dataDir, profileDir: setup.profileDir }));
  const plan = { port: product.port, seconds: setup.seconds, requestsPerSecond: null, idsFile: null };
  await delay(idleMs);
  const idle = memoryUsage(product.pid);
  const { peak: singlePeak } = await peakDuring(product.pid, async () => {
    await generator.ask({ ...plan, connections: 64, eventsPerRequest: 1, form: 'json' });
    await product.settled();
  });
  const { peak: batchPeak } = await peakDuring(product.pid, async () => {
    await generator.ask({ ...plan, connections: 8, eventsPerRequest: 1_000, form: 'ndjson' });
    await product.settled();
  });
  await delay(idleMs);
  const after = memoryUsage(product.pid);
  setup.progress(
    `idle ${Math.round(idle.rssMb)} MiB, peak ${Math.round(Math.max(singlePeak.rssMb, batchPeak.rssMb))} MiB`,
  );
  await product.stop();
  return { startMs: product.startMs, idle, singlePeak, batchPeak, after };
}
