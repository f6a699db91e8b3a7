import { join } from 'node:path';
import { storeConsumer } from '../../../src/domain/inbox.ts';
import { partitionOf } from '../../../src/domain/partitioner.ts';
import { createSegmentEventLog } from '../../../src/event-log/segment/event-log.segment.ts';
import type { EventStore } from '../../../src/event-store/event-store.ts';
import { createSqliteEventStore } from '../../../src/event-store/sqlite/event-store.sqlite.ts';
import { createMemoryMetricsStore } from '../../../src/metrics-store/memory/metrics-store.memory.ts';
import { readLedger } from '../../../src/processing/ledger.ts';
import { createMaintenance } from '../../../src/processing/maintenance.ts';
import { createMetricsFeed } from '../../../src/processing/metrics-feed.ts';
import type { CrashPoint } from '../../../src/processing/partition-loop.ts';
import { createRedrive } from '../../../src/processing/redrive.ts';
import { trimLog } from '../../../src/processing/trim-log.ts';
import { oldestUnreadReceivedAt } from '../../../src/processing/unread.ts';
import { createWorker, type Worker } from '../../../src/processing/worker.ts';
import { createTelemetry } from '../../../src/telemetry/telemetry.ts';
import { waitFor } from '../harness.ts';
import { createFaultPlan, type Fault } from './faults.ts';

export const partitions = 3;
export const retentionMs = 4 * 24 * 3_600_000;
export const logRetentionMs = 24 * 3_600_000;

/** How a worker sees the store, and what happens at the points of its loops. */
export interface WorkerHooks {
  wrap(store: EventStore): EventStore;
  atPoint(point: CrashPoint): Promise<void>;
}

/**
 * The real parts over one directory, in this process: segment log, SQLite store, memory metrics, worker. Time is the
 * world's own. A crash abandons the worker where it stands, closes the files, and opens them anew with empty memory.
 */
export async function createWorld(directory: string, random: () => number) {
  let nowMs = Date.UTC(2026, 0, 5, 8);
  let tokens = 0;
  const now = () => nowMs;
  const newId = () => `world-${tokens++}`;
  let parts = await open();
  let appended = 0;

  async function open() {
    const log = await createSegmentEventLog({
      directory: join(directory, 'log'),
      partitions,
      now,
      segmentBytesMax: 16 * 1024,
    });
    const store = await createSqliteEventStore({
      path: join(directory, 'store.sqlite'),
      role: 'owner',
      eventTypesMax: 4,
    });
    return { log, store, metrics: createMemoryMetricsStore({ now }), telemetry: createTelemetry() };
  }

  async function restart(): Promise<void> {
    await parts.metrics.close();
    await parts.store.close();
    await parts.log.close();
    parts = await open();
  }

  function startWorker(plan: WorkerHooks, onClaimed: () => void = () => undefined): Worker {
    const { log, metrics, telemetry } = parts;
    const store = plan.wrap(parts.store);
    const feed = createMetricsFeed({ metrics, store, telemetry, now, elapsed: now });
    const worker = createWorker({
      log,
      store,
      feed,
      telemetry,
      now,
      elapsed: now,
      random: () => 0,
      freshToken: newId,
      // Time in here does not pass by itself; only the event loop must turn.
      pause: (_ms, signal) =>
        new Promise((resolve, reject) => {
          setImmediate(() => (signal.aborted ? reject(signal.reason) : resolve()));
        }),
      idleMs: 2,
      pace: { tick: async () => undefined, rest: () => undefined },
      batchLimits: { recordsMax: 1 + Math.floor(random() * 12), bytesMax: 100_000 },
      maintenance: createMaintenance({
        store,
        feed,
        telemetry,
        now,
        elapsed: now,
        retentionNow: async () => nowMs,
        freshToken: newId,
        retentionMs,
        publishesFailures: false,
        oldestUnreadAt: async () => oldestUnreadReceivedAt(log, await parts.store.progress(storeConsumer)),
      }),
      atPoint: (point) => plan.atPoint(point),
      onClaimed,
    });
    return worker;
  }

  async function isDone(): Promise<boolean> {
    const progress = new Map((await parts.store.progress(storeConsumer)).map((row) => [row.partition, row]));
    const { partitions: bounds } = await parts.log.describe();
    return bounds.every(({ partition, end }) => progress.get(partition)?.nextOffset === end);
  }

  /** Works until everything in the log is settled, or the fault has killed the process, which is then started anew. */
  async function work(fault: Fault): Promise<'done' | 'crashed'> {
    let successor: Worker | null = null;
    let successorRun: Promise<unknown> = Promise.resolve();
    const successorPlan = createFaultPlan({ kind: 'none' }, () => undefined);
    const plan = createFaultPlan(fault, () => {
      successor = startWorker(successorPlan);
      successorRun = successor.run();
    });
    let hasClaimed = false;
    const worker = startWorker(plan, () => {
      hasClaimed = true;
    });
    const run = worker.run();
    // An abandoned worker's files are closed under it; what it then throws is what a killed process never says.
    run.catch(() => undefined);
    const finished = waitFor(
      'everything to be settled',
      async () => plan.isDead() || (hasClaimed && (await isDone())),
      {
        timeoutMs: 15_000,
        everyMs: 1,
      },
    );
    await Promise.race([finished, plan.died, failureOf(run, plan), failureOf(successorRun, plan)]);
    if (plan.isDead()) {
      plan.kill();
      successorPlan.kill();
      await restart();
      return 'crashed';
    }
    const halted = [...worker.halted(), ...((successor as Worker | null)?.halted() ?? [])];
    if (halted.length > 0) throw new Error(`a partition was halted: ${JSON.stringify(halted)}`);
    await (successor as Worker | null)?.stop();
    await worker.stop();
    return 'done';
  }

  async function failureOf(run: Promise<unknown>, plan: { isDead(): boolean }): Promise<never> {
    try {
      await run;
    } catch (error) {
      if (!plan.isDead()) throw error;
    }
    return new Promise<never>(() => undefined);
  }

  return {
    now,
    parts: () => parts,
    advance: (ms: number) => {
      nowMs += ms;
    },
    restart,
    startWorker,
    isDone,
    work,
    appendedCount: () => appended,
    async append(records: readonly { readonly key: string; readonly value: Uint8Array }[]) {
      const placed = records.map(({ key, value }) => ({ partition: partitionOf(key, partitions), value }));
      const answer = await parts.log.append(placed);
      appended += records.length;
      return answer;
    },
    async redrive(ids: readonly string[], markFails: boolean): Promise<void> {
      const { log, store, telemetry } = parts;
      const counting: typeof log.append = async (records) => {
        const answer = await log.append(records);
        appended += records.length;
        return answer;
      };
      const redrive = createRedrive({
        log: { append: counting, laneOf: (partition) => log.laneOf(partition), partitions },
        // The job dies after the append and before the mark.
        store: markFails ? { ...store, markRedriving: async () => [] } : store,
        telemetry,
        now,
        elapsed: now,
        assertOpen: () => undefined,
        random: () => 0,
        pause: async () => undefined,
        newId,
      });
      await redrive.start({ select: { kind: 'ids', ids }, dryRun: false });
      await redrive.drain();
    },
    async trim(): Promise<void> {
      const { log, store, telemetry } = parts;
      const trim = (partition: number, below: number) => log.trim(partition, below);
      await trimLog({ log, trim, store, telemetry }, [storeConsumer], nowMs - logRetentionMs);
    },
    ledger: () => readLedger(parts.store, parts.log, nowMs),
    async close(): Promise<void> {
      await parts.metrics.close();
      await parts.store.close();
      await parts.log.close();
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;
