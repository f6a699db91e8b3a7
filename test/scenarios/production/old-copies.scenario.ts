// Promise: PostgreSQL put back to a copy from before newer events, Redis put back to an older snapshot, by itself and
// both at once from different times: the log closes the gap and the numbers follow, with the same outcomes as the first
// time. Nothing is restarted but what was put back, and no traffic is needed for it.
import { expect, it, onTestFinished } from 'vitest';
import type { FailedEventPage, LedgerView, MetricsView } from '../../../src/http/contract.ts';
import { createTestClient } from '../../../src/testing/redis-client.ts';
import { startPostgres } from '../../../src/testing/stack/postgres.ts';
import { type RedisServer, startRedis } from '../../../src/testing/stack/redis.ts';
import type { DataCopy } from '../../../src/testing/stack/server-process.ts';
import { makeEvent, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

/** Its dump.rdb, the only thing it keeps here. */
async function snapshotOf(redis: RedisServer): Promise<DataCopy> {
  const client = await createTestClient(redis.url);
  await client.send('SAVE');
  client.destroy();
  await redis.stop();
  const copy = await redis.copyData();
  await redis.start();
  return copy;
}

it('everything adds up again, by itself', async () => {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis({ appendonly: false })]);
  onTestFinished(async () => void (await Promise.all([postgres.dispose(), redis.dispose()])));
  const installation = await createInstallation({ servers: { DATABASE_URL: postgres.url, REDIS_URL: redis.url } });
  const [api, worker] = await Promise.all([
    installation.startApi(),
    // Maintenance is where a worker that has nothing to do comes upon other progress than its own: usually every ten
    // seconds.
    installation.startWorker({ env: { ESP_MAINTENANCE_EVERY_MS: '1000' } }),
  ]);
  // Every hundred brings types that no earlier copy knows.
  const load = createLoad(api.send, (n) => makeEvent(n, { event_type: `type.${Math.floor(n / 100)}.${n % 3}` }));

  const countedInRedis = async () => (await api.get<MetricsView>('/api/metrics')).all_time;
  const counted = async (stored: number) => {
    await waitFor('everything to be counted', async () => (await countedInRedis()).total === stored);
  };
  /** Two hundred events, one hundred of them once more, and one that contradicts what is stored. */
  async function sendMore(): Promise<LedgerView> {
    const first = load.accepted.size;
    for (let n = 0; n < 2; n += 1) expect(await load.send()).toBe(202);
    const again = Array.from({ length: 100 }, (_, n) =>
      makeEvent(first + n, { event_type: `type.${Math.floor(first / 100)}.${(first + n) % 3}` }),
    );
    expect((await api.send([...again, makeEvent(first, { event_type: 'conflict' })])).status).toBe(202);
    const ledger = await waitFor('it to be settled', async () => {
      const found = await api.get<LedgerView>('/api/ledger');
      return found.stored === first + 200 && found.in_flight === 0 && found;
    });
    await counted(ledger.stored);
    return ledger;
  }
  const numbersOf = ({ stored, duplicate, failed, open_in_inbox }: LedgerView) => {
    return { stored, duplicate, failed, open_in_inbox };
  };

  await sendMore();
  await postgres.stop();
  const oldDatabase = await postgres.copyData();
  await postgres.start();
  await sendMore();
  const oldNumbers = await snapshotOf(redis);
  const complete = await sendMore();
  expect(numbersOf(complete)).toEqual({ stored: 600, duplicate: 300, failed: 3, open_in_inbox: 3 });
  const inboxOf = async () => {
    const { failed_events: inbox } = await api.get<FailedEventPage>('/api/failed-events');
    // They come in the order they failed in, which across partitions may be another one.
    return new Map(inbox.map(({ id, reason, attempt }) => [id, { reason, attempt }]));
  };
  const inbox = await inboxOf();

  await redis.kill();
  await redis.restoreData(oldNumbers);
  await redis.start();
  await waitFor(
    'the numbers of Redis to be true again',
    async () => {
      const { total, duplicates, failed } = await countedInRedis();
      return total === complete.stored && duplicates === complete.duplicate && failed === complete.failed;
    },
    { timeoutMs: 10_000 },
  );

  await Promise.all([postgres.kill(), redis.kill()]);
  await Promise.all([postgres.restoreData(oldDatabase), redis.restoreData(oldNumbers)]);
  await Promise.all([postgres.start(), redis.start()]);
  const replayed = await waitFor(
    'the log to close the gap',
    async () => {
      const found = await api.get<LedgerView>('/api/ledger');
      return found.in_flight === 0 && found;
    },
    { timeoutMs: 30_000 },
  );
  expect(numbersOf(replayed)).toEqual(numbersOf(complete));
  expect(await inboxOf()).toEqual(inbox);
  await expectStoredOnce(api, load, { failed: 3 });
  // And it goes on from there.
  await sendMore();
  await expectStoredOnce(api, load, { failed: 4 });
  expect(worker.output()).not.toMatch(/"msg":"partition.halted"/);
});
