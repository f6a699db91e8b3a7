import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { storeConsumer } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import { encodeRecord } from '../../domain/record-codec.ts';
import { createSegmentEventLog } from '../../event-log/segment/event-log.segment.ts';
import { createSqliteEventStore } from '../../event-store/sqlite/event-store.sqlite.ts';
import { createMemoryMetricsStore } from '../../metrics-store/memory/metrics-store.memory.ts';
import type { MetricsSnapshot, MetricsUpdate, MetricsWatermark } from '../../metrics-store/metrics-store.ts';
import { createPrometheus } from '../../telemetry/prometheus.ts';
import { createTelemetry, type TelemetryEventName, type TelemetryEvents } from '../../telemetry/telemetry.ts';
import { eventOf } from '../../testing/event-store.batches.ts';
import { samplesOf } from '../../testing/prometheus-samples.ts';
import { temporaryDirectory } from '../../testing/temporary-store.ts';
import type { Handlers } from '../threads/thread-channel.ts';
import { startWorkerHost } from './worker-host.ts';

async function setUp() {
  const directory = await temporaryDirectory();
  const storePath = join(directory, 'store.sqlite');
  const logDirectory = join(directory, 'log');
  const log = await createSegmentEventLog({ directory: logDirectory, partitions: 2 });
  onTestFinished(() => log.close());
  const metrics = createMemoryMetricsStore({ now: Date.now });
  const telemetry = createTelemetry();
  const told: (readonly [TelemetryEventName, TelemetryEvents[TelemetryEventName]])[] = [];
  telemetry.onAny((name, payload) => told.push([name, payload]));
  const prometheus = createPrometheus({ telemetry });
  onTestFinished(() => prometheus.close());
  const scrape = () => samplesOf(prometheus);

  function start(overrides: Handlers = {}) {
    const host = startWorkerHost({
      telemetry,
      data: {
        source: { kind: 'embedded', logDirectory, storePath, partitions: 2, shared: log.shared, givenUp: [] },
        settings: {
          eventTypesMax: 10,
          retentionMs: null,
          logRetentionMs: limits.logRetentionMs,
          maintenanceEveryMs: 10_000,
        },
      },
      handlers: {
        apply: (update: MetricsUpdate) => metrics.apply(update),
        watermark: (partition: number) => metrics.watermark(partition),
        rebuild: (snapshot: MetricsSnapshot, expected: MetricsWatermark | null) => metrics.rebuild(snapshot, expected),
        trim: (partition: number, below: number) => log.trim(partition, below),
        ...overrides,
      },
    });
    onTestFinished(() => host.stop());
    return host;
  }

  async function storedIds(): Promise<string[]> {
    const store = await createSqliteEventStore({ path: storePath, role: 'client', eventTypesMax: 10 });
    const { items } = await store.events({ limit: 100 });
    await store.close();
    return items.map(({ id }) => id);
  }

  return { log, metrics, storePath, told, scrape, start, storedIds };
}

it('works in a thread, passes its telemetry on, and stops with everything in order', async () => {
  const { log, metrics, told, start, storedIds } = await setUp();
  const host = start();
  await host.opened;
  await host.claimed;
  expect(host.status()).toEqual({ running: true, working: [0, 1], halted: new Map() });
  const event = eventOf({ receivedAt: Date.now() });
  await log.append([{ partition: 1, value: encodeRecord(event) }]);
  await expect.poll(async () => (await metrics.read('5m', Date.now())).allTime.total).toBe(1);
  expect(told.map(([name]) => name)).toContain('batch.committed');
  await host.stop();
  expect(host.status()).toMatchObject({ running: false, working: [] });
  expect(await storedIds()).toEqual([event.id]);
  expect(told.filter(([name]) => name === 'partition.halted' || name === 'worker.ended')).toEqual([]);
  // Nothing is started again after a stop, and a second stop has nothing to do.
  await host.stop();
  expect(host.status().running).toBe(false);
});

it('waits at a stop for what the thread has under way', async () => {
  const { log, metrics, start } = await setUp();
  const order: string[] = [];
  const [began, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const host = start({
    async apply(update: MetricsUpdate) {
      began.resolve();
      await gate.promise;
      order.push('applied');
      return metrics.apply(update);
    },
  });
  await host.claimed;
  // Once the metrics stand where the store does, a batch is applied to them; before, it may be part of their rebuild.
  await expect.poll(() => metrics.watermark(0)).not.toBeNull();
  await log.append([{ partition: 0, value: encodeRecord(eventOf()) }]);
  await began.promise;
  const stopped = host.stop().then(() => order.push('stopped'));
  // Time enough for a thread that is cut off to be gone.
  setTimeout(() => gate.resolve(), 80);
  await stopped;
  expect([order.at(0), order.at(-1)]).toEqual(['applied', 'stopped']);
});

it('goes on storing where the metrics have a bug', async () => {
  const { log, told, start, storedIds } = await setUp();
  const host = start({
    watermark() {
      throw new TypeError('x is not a function');
    },
  });
  await host.claimed;
  await expect
    .poll(() => told)
    .toContainEqual(['metrics.unavailable', { partition: 0, error: expect.stringContaining('x is not a function') }]);
  const event = eventOf({ receivedAt: Date.now() });
  await log.append([{ partition: 0, value: encodeRecord(event) }]);
  await expect.poll(storedIds).toEqual([event.id]);
  expect(told.map(([name]) => name)).not.toContain('worker.ended');
});

it('says why a first start failed, and starts again until it works', async () => {
  const { storePath, told, scrape, start } = await setUp();
  await writeFile(storePath, 'this is no store at all, and long enough to be looked at as one'.repeat(20));
  const host = start();
  await expect(host.opened).rejects.toThrow(/damaged or no SQLite file/);
  expect(host.status().running).toBe(false);
  expect(told).toContainEqual(['worker.ended', { message: expect.stringContaining('damaged or no SQLite file') }]);
  const samples = await scrape();
  expect(samples.get('esp_worker_ends_total')).toBeGreaterThan(0);
  // No partition was: what ended is started again.
  expect(samples.get('esp_partitions_halted')).toBe(0);
  await rm(storePath);
  await host.claimed;
  expect(host.status()).toMatchObject({ running: true, working: [0, 1] });
});

it('tells which partitions it halts', async () => {
  const { storePath, scrape, start } = await setUp();
  const store = await createSqliteEventStore({ path: storePath, role: 'owner', eventTypesMax: 10 });
  for (const partition of [0, 1]) {
    await store.claim({ consumer: storeConsumer, partition, logId: 'another log', logStart: 0 });
  }
  await store.close();
  const host = start();
  await host.claimed;
  expect(host.status().working).toEqual([]);
  expect([...host.status().halted.values()].map(({ reason }) => reason)).toEqual(['log_replaced', 'log_replaced']);
  expect((await scrape()).get('esp_partitions_halted')).toBe(2);
});
