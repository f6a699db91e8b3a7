// Promise: Redis failed over to a replica that had stopped replicating, and back again, shows the true numbers by
// itself within 10 seconds, without traffic, a restart or a person; in between nothing but the numbers is missing.
import { expect, it, onTestFinished } from 'vitest';
import type { MetricsView } from '../../../src/http/contract.ts';
import { createTestClient } from '../../../src/testing/redis-client.ts';
import { startProxy } from '../../../src/testing/stack/proxy.ts';
import { type RedisServer, startRedis } from '../../../src/testing/stack/redis.ts';
import { waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

it('an older state under the same address is found out', async () => {
  const [primary, replica] = await Promise.all([startRedis(), startRedis()]);
  let proxy = await startProxy({ targetPort: primary.port });
  onTestFinished(async () => {
    await proxy.close();
    await Promise.all([primary.dispose(), replica.dispose()]);
  });
  const asReplica = await createTestClient(replica.url);
  onTestFinished(() => asReplica.destroy());
  await asReplica.send('REPLICAOF', '127.0.0.1', String(primary.port));
  const installation = await createInstallation({ servers: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } });
  const [api, worker] = await Promise.all([installation.startApi(), installation.startWorker()]);
  const load = createLoad(api.send);

  const counted = () =>
    waitFor(
      'the numbers to be true',
      async () => (await api.get<MetricsView>('/api/metrics')).all_time.total === load.accepted.size,
      { timeoutMs: 10_000 },
    );
  async function sendMore(): Promise<void> {
    for (let n = 0; n < 3; n += 1) expect(await load.send()).toBe(202);
    await waitFor('it to be stored', async () => (await api.settled()).stored === load.accepted.size);
  }
  async function failOverTo({ port }: RedisServer): Promise<void> {
    const { port: address } = proxy;
    await proxy.close();
    proxy = await startProxy({ targetPort: port, port: address });
  }

  await sendMore();
  await counted();
  const primaryEnd = async () => {
    const client = await createTestClient(primary.url);
    try {
      return /master_repl_offset:(\d+)/.exec(await client.send('INFO', 'replication'))?.[1];
    } finally {
      client.destroy();
    }
  };
  await waitFor('the replica to have all of it', async () => {
    const seen = /slave_repl_offset:(\d+)/.exec(await asReplica.send('INFO', 'replication'))?.[1];
    return seen !== undefined && seen === (await primaryEnd());
  });
  // From here on it is left behind.
  await asReplica.send('REPLICAOF', 'NO', 'ONE');
  await sendMore();
  await counted();

  await failOverTo(replica);
  await counted();
  await sendMore();
  await counted();
  await failOverTo(primary);
  await counted();
  await sendMore();
  await expectStoredOnce(api, load);
  for (const server of [api, worker]) expect(await server.stop()).toEqual({ code: 0, signal: null });
});
