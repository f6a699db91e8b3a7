import { describe, expect, it, onTestFinished } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { createMetricsFeeding } from '../../testing/metrics-feeding.ts';
import { createTestClient } from '../../testing/redis-client.ts';
import { freePort } from '../../testing/stack/free-port.ts';
import { startProxy } from '../../testing/stack/proxy.ts';
import { startRedis } from '../../testing/stack/redis.ts';
import type { MetricsChange, MetricsStore } from '../metrics-store.ts';
import { createRedisMetricsStore } from './metrics-store.redis.ts';

const partitions = [0, 1, 2];

async function openStore(url: string) {
  const store = await createRedisMetricsStore({ url, prefix: 'esp', now: Date.now });
  onTestFinished(() => store.close());
  return store;
}

/** A server of its own, a worker's store, and a reader in another process. */
async function setUp(settings: Parameters<typeof startRedis>[0] = {}) {
  const server = await startRedis(settings);
  onTestFinished(() => server.dispose());
  const [worker, reader] = [await openStore(server.url), await openStore(server.url)];
  const feeding = createMetricsFeeding(worker, partitions, Date.now);
  for (let batch = 0; batch < 5; batch += 1) for (const partition of partitions) feeding.push(partition);
  await feeding.untilExact(reader);
  feeding.rebuilt.length = 0;
  return { server, worker, reader, feeding };
}

/** A call ends, one way or the other, within the deadline of a command and what a busy machine adds to it. */
async function failsSoon(call: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await expect(call()).rejects.toThrow(UnavailableError);
  expect(performance.now() - startedAt).toBeLessThan(6_000);
}

/** Connections come back one by one. */
async function isBack(...stores: readonly MetricsStore[]): Promise<void> {
  for (const store of stores) {
    const answers = () =>
      store.watermark(0).then(
        () => true,
        () => false,
      );
    await expect.poll(answers, { timeout: 10_000 }).toBe(true);
  }
}

describe('Redis is away', () => {
  it('at the start: the store is there, says so, and comes to life with Redis', async () => {
    const port = await freePort();
    const store = await openStore(`redis://127.0.0.1:${port}`);
    const changes: MetricsChange[] = [];
    store.subscribe((change) => changes.push(change));
    await expect(store.read('5m', Date.now())).rejects.toThrow(
      /Redis at 127\.0\.0\.1:\d+ can not be reached.*ECONNREFUSED/,
    );
    await expect(store.watermark(0)).rejects.toThrow(UnavailableError);
    await expect(store.recent(5)).rejects.toThrow(UnavailableError);
    const server = await startRedis({ port });
    onTestFinished(() => server.dispose());
    const feeding = createMetricsFeeding(store, [0], Date.now);
    feeding.push(0);
    await feeding.untilExact();
    await expect.poll(() => changes.at(-1)?.watermark, { timeout: 10_000 }).toEqual(feeding.mark(0));
  });

  it('killed under load, and back with what its file kept: exact again, without a process restarted', async () => {
    const { server, worker, reader, feeding } = await setUp();
    const changes: MetricsChange[] = [];
    reader.subscribe((change) => changes.push(change));
    for (const partition of partitions) feeding.push(partition);
    await server.kill();
    for (let batch = 0; batch < 100; batch += 1) feeding.push(batch % 3);
    await failsSoon(() => worker.watermark(0));
    await failsSoon(() => reader.read('5m', Date.now()));
    await feeding.feed.settle();
    expect(feeding.unavailable.length).toBeGreaterThan(0);
    await server.start();
    await feeding.untilExact(reader);
    // What was published while it was away is looked at.
    await expect.poll(() => changes.at(-1)?.watermark.nextOffset, { timeout: 10_000 }).toBeGreaterThan(60);
  });

  it('silent: a call fails within seconds, and all is well within seconds after', async () => {
    const { server, worker, reader, feeding } = await setUp();
    server.suspend();
    await Promise.all([
      failsSoon(() => worker.apply(feeding.commit(0))),
      failsSoon(() => reader.read('5m', Date.now())),
      failsSoon(() => reader.recent(10)),
    ]);
    // Connected by the kernel, not by Redis.
    await failsSoon(() => worker.watermark(0));
    server.resume();
    await feeding.untilExact(reader);
  });

  it('behind a network that has become a hole, also for who only listens', async () => {
    const { server, worker, feeding } = await setUp();
    const proxy = await startProxy({ targetPort: server.port });
    onTestFinished(() => proxy.close());
    const far = await openStore(`redis://127.0.0.1:${proxy.port}`);
    const changes: MetricsChange[] = [];
    far.subscribe((change) => changes.push(change));
    await far.watermark(0);
    await expect.poll(() => changes.length, { timeout: 10_000 }).toBe(partitions.length);
    proxy.hole();
    await failsSoon(() => far.read('5m', Date.now()));
    feeding.push(1);
    await feeding.untilExact();
    // Both connections are given up; those made anew get no answer either.
    await expect.poll(() => proxy.connections(), { timeout: 20_000 }).toBeGreaterThan(3);
    proxy.heal();
    await feeding.untilExact(far);
    await expect.poll(() => changes.at(-1)?.watermark, { timeout: 10_000 }).toEqual(feeding.mark(1));
    expect(await worker.watermark(1)).toEqual(feeding.mark(1));
  });
});

describe('Redis has forgotten', () => {
  it('everything: found by the idle check alone, rebuilt, and exact', async () => {
    const { server, worker, reader, feeding } = await setUp();
    const client = await createTestClient(server.url);
    onTestFinished(() => client.destroy());
    await client.send('FLUSHALL');
    expect(await worker.watermark(0)).toBeNull();
    expect((await reader.read('5m', Date.now())).allTime.total).toBe(0);
    await feeding.untilExact(reader);
    expect(new Set(feeding.rebuilt.map(({ partition }) => partition))).toEqual(new Set(partitions));
  });

  it('everything, under load: exact again', async () => {
    const { server, reader, feeding } = await setUp();
    const client = await createTestClient(server.url);
    onTestFinished(() => client.destroy());
    for (let batch = 0; batch < 60; batch += 1) {
      feeding.push(batch % 3);
      if (batch === 30) await client.send('FLUSHALL');
    }
    await feeding.untilExact(reader);
  });

  it('its scripts: they are sent along with the next call', async () => {
    const { server, worker, reader, feeding } = await setUp();
    const client = await createTestClient(server.url);
    onTestFinished(() => client.destroy());
    await client.send('SCRIPT', 'FLUSH', 'SYNC');
    expect(await worker.apply(feeding.commit(0))).toBe('applied');
    await client.send('SCRIPT', 'FLUSH', 'SYNC');
    expect((await reader.read('5m', Date.now())).allTime).toEqual(feeding.plain());
    await client.send('SCRIPT', 'FLUSH', 'SYNC');
    expect(await worker.rebuild(feeding.snapshot(0), feeding.mark(0))).toBe(true);
    expect(feeding.rebuilt).toEqual([]);
  });

  it('nothing at a planned restart: it goes on where it was', async () => {
    const { server, worker, reader, feeding } = await setUp();
    await server.stop();
    await server.start();
    await isBack(worker);
    expect(await worker.watermark(0)).toEqual(feeding.mark(0));
    feeding.push(0);
    await feeding.untilExact(reader);
    expect(feeding.rebuilt).toEqual([]);
  });

  it('the last hours, put back from a copy: readers see it, the worker finds it and mends it', async () => {
    const { server, worker, reader, feeding } = await setUp();
    await server.stop();
    const copy = await server.copyData();
    const then = { total: feeding.plain(), mark: feeding.mark(1) };
    await server.start();
    for (const partition of partitions) feeding.push(partition);
    await feeding.untilExact(reader);
    await server.stop();
    await server.restoreData(copy);
    await server.start();
    // A reader that was ahead goes back with it, to what was true then.
    await expect
      .poll(async () => (await reader.read('5m', Date.now())).allTime, { timeout: 10_000 })
      .toEqual(then.total);
    await isBack(worker);
    expect(await worker.watermark(1)).toEqual(then.mark);
    expect(await worker.apply(feeding.commit(1))).toBe('diverged');
    await feeding.untilExact(reader);
    expect(new Set(feeding.rebuilt.map(({ partition }) => partition))).toEqual(new Set(partitions));
  });

  it('a second, killed with all it had not yet written: what it shows belongs to its watermark', async () => {
    const { server, worker, reader, feeding } = await setUp({ settings: { appendfsync: 'everysec' } });
    const history = new Map([[feeding.mark(0).commitToken, feeding.plain().total]]);
    for (let batch = 0; batch < 40; batch += 1) {
      expect(await worker.apply(feeding.commit(0))).toBe('applied');
      history.set(feeding.mark(0).commitToken, feeding.plain().total);
    }
    await server.kill();
    await server.start();
    await isBack(worker, reader);
    const found = await worker.watermark(0);
    expect((await reader.read('5m', Date.now())).allTime.total).toBe(history.get(found!.commitToken));
    await feeding.untilExact(reader);
  });
});
