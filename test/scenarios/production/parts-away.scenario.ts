// Promise: a process that is started while a part is away waits for it and says so; ingest needs Kafka alone; nothing
// has to be restarted when a part comes back; and no address answers with a 500 meanwhile.
import { describe, expect, it, onTestFinished } from 'vitest';
import type { MetricsView, ReadinessView } from '../../../src/http/contract.ts';
import { startKafka } from '../../../src/testing/stack/kafka.ts';
import { startPostgres } from '../../../src/testing/stack/postgres.ts';
import { startRedis } from '../../../src/testing/stack/redis.ts';
import { expectEverythingAddsUp, type RunningServer, waitFor } from '../harness.ts';
import { liveSnapshot } from '../live-snapshot.ts';
import { createInstallation } from './installation.ts';

const codesOf = async (server: RunningServer) => {
  const { body } = await server.request<ReadinessView>('/health/ready');
  return { ready: body.ready, codes: body.reasons.map(({ code }) => code).sort() };
};

const reads = ['/api/events', '/api/metrics', '/api/ledger', '/api/failed-events', '/api/jobs/none'];

describe('PostgreSQL and Redis', () => {
  it('away at the start: events are taken, everything else waits and says so, and goes on by itself', async () => {
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    onTestFinished(async () => void (await Promise.all([postgres.dispose(), redis.dispose()])));
    const installation = await createInstallation({ servers: { DATABASE_URL: postgres.url, REDIS_URL: redis.url } });
    await Promise.all([postgres.stop(), redis.stop()]);

    const [api, worker] = await Promise.all([
      installation.startApi(),
      installation.startWorker({ waitUntilReady: false }),
    ]);
    // Ready, since it takes events.
    expect(await codesOf(api)).toEqual({ ready: true, codes: ['metrics_unavailable', 'store_unavailable'] });
    expect(await codesOf(worker)).toMatchObject({ ready: false, codes: expect.arrayContaining(['store_unavailable']) });
    expect(worker.output()).toMatch(/"part":"store".*"msg":"part.waiting"/);
    const answer = await api.send([
      { event_type: 'a', payload: {} },
      { event_type: 'b', payload: {} },
    ]);
    expect(answer.status).toBe(202);
    for (const path of reads) expect((await api.request(path)).status, path).toBe(503);
    // Who opens the dashboard now is told why it has no numbers.
    const told = await liveSnapshot(api, () => true);
    expect(told).toMatchObject({ metrics: null, ledger: null, readiness: { ready: true } });
    expect(told.readiness.reasons.map(({ code }) => code)).toContain('metrics_unavailable');

    await Promise.all([postgres.start(), redis.start()]);
    await waitFor('both to be ready', async () => {
      const found = [await codesOf(api), await codesOf(worker)];
      return found.every(({ ready, codes }) => ready && codes.length === 0);
    });
    await waitFor('what was taken to be stored', async () => (await api.settled()).stored === 2);
    await waitFor('it to be counted', async () => (await api.get<MetricsView>('/api/metrics')).all_time.total === 2);
  });

  it('away while it runs: 202 all the time, nothing fails, and everything adds up afterwards', async () => {
    const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
    onTestFinished(async () => void (await Promise.all([postgres.dispose(), redis.dispose()])));
    const installation = await createInstallation({ servers: { DATABASE_URL: postgres.url, REDIS_URL: redis.url } });
    const server = await installation.start();
    const send = async (n: number) => {
      const { status } = await server.send([{ event_type: 'a', source: 's', id: `${n}`, payload: { n } }]);
      expect(status).toBe(202);
    };
    for (let n = 0; n < 20; n += 1) await send(n);
    await server.settled();

    await Promise.all([postgres.kill(), redis.kill()]);
    await waitFor('it to be noticed', async () => (await codesOf(server)).codes.includes('store_unavailable'));
    expect((await codesOf(server)).ready).toBe(true);
    for (let n = 20; n < 60; n += 1) await send(n);
    for (const path of reads) expect((await server.request(path)).status, path).toBe(503);
    expect((await server.request('/health/live')).status).toBe(200);

    await Promise.all([postgres.start(), redis.start()]);
    await waitFor('everything to be stored', async () => (await server.settled()).stored === 60, { timeoutMs: 90_000 });
    await expectEverythingAddsUp(server);
    expect(await installation.esp(['verify'])).toMatchObject({ code: 0 });
    expect(server.output()).not.toMatch(/"msg":"(request.failed|partition.halted)"/);
  });
});

describe('Kafka', () => {
  it('away at the start: nothing is taken, and it says why; back, everything goes on by itself', async () => {
    const kafka = await startKafka();
    onTestFinished(() => kafka.dispose());
    const installation = await createInstallation({ servers: { KAFKA_BROKERS: kafka.brokers } });
    await kafka.stop();

    const server = await installation.start({ waitUntilReady: false });
    expect(await codesOf(server)).toMatchObject({ ready: false, codes: expect.arrayContaining(['log_unavailable']) });
    const refused = await server.request('/api/events', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"event_type":"a","payload":{}}',
    });
    expect(refused).toMatchObject({ status: 503, body: { code: 'log_unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    for (const path of ['/api/events', '/api/failed-events'])
      expect((await server.request(path)).status, path).toBe(200);
    for (const path of ['/api/metrics', '/api/ledger']) {
      expect(await server.request(path), path).toMatchObject({ status: 503, body: { code: 'log_unavailable' } });
    }

    await kafka.start();
    await waitFor('it to be ready', async () => (await codesOf(server)).ready, { timeoutMs: 60_000 });
    await server.send([{ event_type: 'a', payload: {} }]);
    await waitFor('it to be stored', async () => (await server.settled()).stored === 1, { timeoutMs: 60_000 });
    expect((await server.stop()).code).toBe(0);
  });
});
