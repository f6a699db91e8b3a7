import { randomUUID } from 'node:crypto';
import { expect, onTestFinished } from 'vitest';
import { storeConsumer } from '../domain/inbox.ts';
import type { EventStore } from '../event-store/event-store.ts';
import type { MetricsWatermark } from '../metrics-store/metrics-store.ts';
import { pause } from '../processing/pause.ts';
import { createWorker, type WorkerOptions } from '../processing/worker.ts';
import { createTelemetry, type TelemetryEventName, type TelemetryEvents } from '../telemetry/telemetry.ts';
import { startAt } from './event-store.batches.ts';
import type { Told } from './partition-loop-harness.ts';
import { scriptedLog } from './scripted-log.ts';
import { temporaryStore } from './temporary-store.ts';

/** A worker over a scripted log and a real store, stopped after the test. `store` may be wrapped before `start`. */
export async function workerHarness(partitions = 1) {
  const store = await temporaryStore();
  const log = scriptedLog(partitions);
  const told: Told[] = [];
  const claimed: { readonly working: readonly number[]; readonly halted: readonly number[] }[] = [];
  const telemetry = createTelemetry();
  telemetry.onAny((name, payload) => told.push({ name, payload } as Told));
  const clock = { now: startAt };
  /** Overrides of what the worker sees of the store. */
  const wrapped: Partial<EventStore> = {};
  const pauses: number[] = [];
  /** What the metrics feed was told of claims. */
  const feedClaims: (MetricsWatermark & { readonly partition: number })[] = [];
  /** And of partitions that are halted instead. */
  const haltedRebuilds: number[] = [];

  const options: WorkerOptions = {
    log,
    store: {
      ...store,
      claim: (request) => (wrapped.claim ?? store.claim)(request),
      commit: (request, decide) => (wrapped.commit ?? store.commit)(request, decide),
    },
    feed: {
      push: () => undefined,
      claimed: (partition, watermark) => feedClaims.push({ partition, ...watermark }),
      rebuildHalted: (partition) => haltedRebuilds.push(partition),
      rebuildTo: () => undefined,
      check: () => undefined,
      async settle() {
        log.journal.push('settle');
      },
    },
    maintenance: { run: async ({ commitToken }) => ({ commitToken }) },
    telemetry,
    now: () => clock.now,
    elapsed: () => clock.now - startAt,
    random: () => 0.5,
    freshToken: randomUUID,
    async pause(ms, signal) {
      pauses.push(ms);
      await pause(0, signal);
    },
    pace: { tick: async () => undefined, rest: () => undefined },
    batchLimits: { recordsMax: 100, bytesMax: 1_000_000 },
    idleMs: 5,
    onClaimed: (working, halted) => claimed.push({ working: [...working], halted: [...halted.keys()] }),
  };

  function start(overrides: Partial<WorkerOptions> = {}) {
    const worker = createWorker({ ...options, ...overrides });
    const run = worker.run();
    onTestFinished(() => worker.stop().catch(() => undefined));
    return { worker, run };
  }

  /** Waits until each partition's progress is there. */
  async function expectProgress(...nextOffsets: number[]): Promise<void> {
    await expect
      .poll(async () => (await store.progress(storeConsumer)).map(({ nextOffset }) => nextOffset), { interval: 5 })
      .toEqual(nextOffsets);
  }

  /** Calls of the log without those that only wait for records. */
  const journal = () => log.journal.filter((what) => !/^next|^acknowledge/.test(what));
  const payloadsOf = <Name extends TelemetryEventName>(name: Name) =>
    told.filter((event) => event.name === name).map(({ payload }) => payload as TelemetryEvents[Name]);

  return {
    store,
    log,
    wrapped,
    start,
    told,
    payloadsOf,
    claimed,
    feedClaims,
    haltedRebuilds,
    clock,
    pauses,
    expectProgress,
    journal,
  };
}
