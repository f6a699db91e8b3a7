import { randomUUID } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import { storeConsumer } from '../../domain/inbox.ts';
import { createMaintenance } from '../../processing/maintenance.ts';
import { createMetricsFeed } from '../../processing/metrics-feed.ts';
import { createTelemetry, type TelemetryEvents } from '../../telemetry/telemetry.ts';
import { createTestClient } from '../../testing/redis-client.ts';
import { startRedis } from '../../testing/stack/redis.ts';
import { workerHarness } from '../../testing/worker-harness.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';

/** What mends Redis within this time is the worker's idle check, every five seconds, and no traffic at all. */
const healsWithinMs = 20_000;

/** A worker over a real store, as it is put together in the product, with Redis for its metrics. */
async function setUp() {
  const server = await startRedis();
  onTestFinished(() => server.dispose());
  const open = async () => {
    const opened = await createRedisMetricsStore({ url: server.url, prefix: 'esp', now: Date.now });
    onTestFinished(() => opened.close());
    return opened;
  };
  const [metrics, reader] = [await open(), await open()];
  const { store, log, start, expectProgress } = await workerHarness(2);
  const telemetry = createTelemetry();
  const rebuilt: TelemetryEvents['metrics.rebuilt'][] = [];
  telemetry.on('metrics.rebuilt', (event) => rebuilt.push(event));
  const clocks = { now: Date.now, elapsed: () => performance.now() };
  const feed = createMetricsFeed({ metrics, store, telemetry, ...clocks });
  const maintenance = createMaintenance({
    store,
    feed,
    telemetry,
    ...clocks,
    retentionNow: async () => Date.now(),
    freshToken: randomUUID,
    retentionMs: null,
    publishesFailures: false,
    oldestUnreadAt: async () => null,
  });
  const { worker } = start({ feed, maintenance, telemetry, ...clocks, idleMs: 2_000 });
  onTestFinished(() => worker.stop());

  async function untilExact(): Promise<void> {
    await expect
      .poll(
        async () => {
          const { total, duplicates, failed } = (await reader.read('5m', Date.now())).allTime;
          const { partitions } = await store.ledger(storeConsumer);
          const sum = (outcome: 'stored' | 'duplicate' | 'failed') =>
            partitions.reduce((all, { outcomes }) => all + outcomes[outcome], 0);
          expect([total, duplicates, failed]).toEqual([sum('stored'), sum('duplicate'), sum('failed')]);
          return total;
        },
        { timeout: healsWithinMs, interval: 50 },
      )
      .toBeGreaterThan(0);
  }
  return { server, log, rebuilt, expectProgress, untilExact };
}

it('mends a Redis that was emptied, without traffic', async () => {
  const { server, log, rebuilt, expectProgress, untilExact } = await setUp();
  for (let record = 0; record < 30; record += 1) log.put(record % 2);
  await expectProgress(15, 15);
  await untilExact();
  rebuilt.length = 0;
  const client = await createTestClient(server.url);
  onTestFinished(() => client.destroy());
  await client.send('FLUSHALL');
  await untilExact();
  expect(rebuilt.map(({ partition }) => partition).toSorted()).toEqual([0, 1]);
});

it('stores on while Redis is away, and mends it when it is back', async () => {
  const { server, log, expectProgress, untilExact } = await setUp();
  log.put(0);
  await expectProgress(1, 0);
  await server.kill();
  for (let record = 0; record < 40; record += 1) log.put(record % 2);
  await expectProgress(21, 20);
  await server.start();
  await untilExact();
});
