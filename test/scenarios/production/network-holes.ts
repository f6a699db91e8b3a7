import { expect, onTestFinished } from 'vitest';
import { limits } from '../../../src/domain/limits.ts';
import type { LedgerView, MetricsView, ReadinessView } from '../../../src/http/contract.ts';
import { freePort } from '../../../src/testing/stack/free-port.ts';
import { startKafka } from '../../../src/testing/stack/kafka.ts';
import { startProxy, type TcpProxy } from '../../../src/testing/stack/proxy.ts';
import { freshDatabase, sharedRedisUrl } from '../../../src/testing/stack/shared.ts';
import { waitFor } from '../harness.ts';
import { createInstallation, type Installation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

/** For an answer to come through a busy machine. */
const slackMs = 4_000;

interface Proxies {
  readonly kafka: TcpProxy;
  readonly postgres: TcpProxy;
  readonly redis: TcpProxy;
}

async function installBehindProxies(): Promise<{ installation: Installation; proxies: Proxies }> {
  async function behindProxy(address: string): Promise<{ proxy: TcpProxy; url: string }> {
    const url = new URL(address);
    const proxy = await startProxy({ targetPort: Number(url.port) });
    onTestFinished(() => proxy.close());
    url.port = String(proxy.port);
    return { proxy, url: url.href };
  }
  const port = await freePort();
  const kafka = await startProxy({ targetPort: port });
  const broker = await startKafka({ port, advertisedPort: kafka.port });
  onTestFinished(async () => {
    await broker.dispose();
    await kafka.close();
  });
  const [postgres, redis] = [await behindProxy(await freshDatabase()), await behindProxy(await sharedRedisUrl())];
  const servers = { KAFKA_BROKERS: broker.brokers, DATABASE_URL: postgres.url, REDIS_URL: redis.url };
  const installation = await createInstallation({ servers });
  return { installation, proxies: { kafka, postgres: postgres.proxy, redis: redis.proxy } };
}

export interface Holes {
  readonly silentMs: number;
  /** PostgreSQL and Redis at the same time, which is quicker, or one after the other. */
  readonly isTogether: boolean;
}

/** The whole scenario: a short one runs always, the long one with `npm run test:full`. */
export async function networkHoles({ silentMs, isTogether }: Holes): Promise<void> {
  const { installation, proxies } = await installBehindProxies();
  const [api, worker] = await Promise.all([installation.startApi(), installation.startWorker()]);
  const load = createLoad(api.send);
  const sending = load.start();
  const storedSoFar = async () => (await api.get<LedgerView>('/api/ledger')).stored;
  await waitFor('some of it to be stored', async () => (await storedSoFar()) > 200);

  async function beSilent(
    silent: readonly TcpProxy[],
    isFelt: (seen: { readonly refused: number; readonly taken: number }) => boolean,
  ): Promise<number> {
    const [refused, taken, from] = [load.refused(), load.accepted.size, performance.now()];
    load.slowestMs();
    const seen = () => ({ refused: load.refused() - refused, taken: load.accepted.size - taken });
    for (const proxy of silent) proxy.hole();
    await waitFor(
      'the silence to have lasted and to be felt',
      () => performance.now() - from > silentMs && isFelt(seen()),
      { timeoutMs: silentMs + 20_000 },
    );
    for (const server of [api, worker]) expect((await server.request('/health/live')).status).toBe(200);
    for (const proxy of silent) proxy.heal();
    return seen().refused;
  }
  /** Of everything that was sent up to now, while more is being sent. */
  async function caughtUp(): Promise<void> {
    const sent = load.accepted.size;
    await waitFor('what was sent to be stored', async () => (await storedSoFar()) >= sent, { timeoutMs: 60_000 });
    await waitFor('it to be counted', async () => (await api.get<MetricsView>('/api/metrics')).all_time.total >= sent, {
      timeoutMs: 10_000,
    });
    await waitFor('nothing to be missing', async () => {
      return (await api.get<ReadinessView>('/health/ready')).reasons.length === 0;
    });
  }

  const { kafka, postgres, redis } = proxies;
  for (const silent of isTogether ? [[postgres, redis]] : [[postgres], [redis]]) {
    expect(await beSilent(silent, ({ taken }) => taken > 0)).toBe(0);
    expect(load.slowestMs()).toBeLessThan(slackMs);
    await caughtUp();
  }
  expect(await beSilent([kafka], ({ refused }) => refused > 0)).toBeGreaterThan(0);
  await caughtUp();
  expect(load.slowestMs()).toBeLessThan(limits.ingestDeadlineMs + slackMs);

  await sending.stop();
  await expectStoredOnce(api, load);
  for (const server of [api, worker]) {
    expect(server.output()).not.toMatch(/"msg":"(partition.halted|partition.bisecting|request.failed)"/);
    expect(await server.stop()).toEqual({ code: 0, signal: null });
  }
}
