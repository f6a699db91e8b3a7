// Promise: PostgreSQL, Redis or Kafka killed with -9 under load and away for a while stops nothing but itself. While
// PostgreSQL or Redis is away ingest answers 202, nothing is failed, and what came is stored and counted when it is
// back; a flushed Redis is exact again without traffic; while Kafka is away clients get 503 with Retry-After in time,
// and all that was answered 202 is there afterwards. No process is restarted.
import { expect, it, onTestFinished } from 'vitest';
import type { LedgerView, MetricsView } from '../../../src/http/contract.ts';
import { createTestClient } from '../../../src/testing/redis-client.ts';
import { startKafka } from '../../../src/testing/stack/kafka.ts';
import { startPostgres } from '../../../src/testing/stack/postgres.ts';
import { startRedis } from '../../../src/testing/stack/redis.ts';
import { waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad } from './load.ts';

it('heals by itself, and keeps what was answered', { timeout: 300_000 }, async () => {
  const [kafka, postgres, redis] = await Promise.all([startKafka(), startPostgres(), startRedis()]);
  onTestFinished(async () => {
    await Promise.all([kafka.dispose(), postgres.dispose(), redis.dispose()]);
  });
  const installation = await createInstallation({
    servers: { KAFKA_BROKERS: kafka.brokers, DATABASE_URL: postgres.url, REDIS_URL: redis.url },
  });
  const [api, worker] = await Promise.all([installation.startApi(), installation.startWorker()]);
  const load = createLoad(api.send);

  async function expectAllThere(): Promise<void> {
    const ledger = await waitFor(
      'everything to be stored',
      async () => {
        const found = await api.get<LedgerView>('/api/ledger');
        return found.in_flight === 0 && found.stored >= load.accepted.size && found;
      },
      { timeoutMs: 60_000 },
    );
    expect(ledger).toMatchObject({ failed: 0, lost: 0, balanced: true });
    await waitFor(
      'the metrics to tell the same',
      async () => (await api.get<MetricsView>('/api/metrics')).all_time.total === ledger.stored,
      { timeoutMs: 30_000 },
    );
  }

  for (let n = 0; n < 10; n += 1) expect(await load.send()).toBe(202);
  await expectAllThere();

  await postgres.kill();
  for (let n = 0; n < 10; n += 1) expect(await load.send()).toBe(202);
  // Reads are answered as what they are: away, for now.
  expect((await api.request('/api/events')).status).toBe(503);
  await waitFor('the worker to find it away', () => /partition\.paused/.test(worker.output()));
  await postgres.start();
  await expectAllThere();

  await redis.kill();
  for (let n = 0; n < 10; n += 1) expect(await load.send()).toBe(202);
  await waitFor('it to be stored all the same', async () => {
    const { stored, in_flight } = await api.get<LedgerView>('/api/ledger');
    return in_flight === 0 && stored === load.accepted.size;
  });
  await redis.start();
  await expectAllThere();

  const client = await createTestClient(redis.url);
  await client.send('FLUSHALL');
  client.destroy();
  await expectAllThere();

  await kafka.kill();
  expect(await load.send()).toBe(503);
  await kafka.start();
  await waitFor('events to be taken again', async () => (await load.send()) === 202, { timeoutMs: 60_000 });
  await expectAllThere();

  expect(await installation.esp(['verify'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^OK/) });
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
  expect(await api.stop()).toEqual({ code: 0, signal: null });
});
