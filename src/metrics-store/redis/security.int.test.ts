import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { createServer } from 'node:tls';
import { inspect } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { createMetricsFeeding } from '../../testing/metrics-feeding.ts';
import { createTestClient } from '../../testing/redis-client.ts';
import { startRedis } from '../../testing/stack/redis.ts';
import { testCertificate, testKey } from '../../testing/tls-certificate.ts';
import { createRedisMetricsStore, type RedisMetricsStoreOptions } from './metrics-store.redis.ts';

async function start() {
  const server = await startRedis();
  onTestFinished(() => server.dispose());
  const client = await createTestClient(server.url);
  onTestFinished(() => client.destroy());
  return { server, client };
}

async function open(url: string, options: Partial<RedisMetricsStoreOptions> = {}) {
  const store = await createRedisMetricsStore({ url, prefix: 'esp', now: Date.now, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** TLS in front of a plain server. */
async function startTls(port: number): Promise<number> {
  const listener = createServer({ cert: testCertificate, key: testKey }, (secure) => {
    const plain = connect(port, '127.0.0.1');
    for (const side of [secure, plain]) side.on('error', () => [secure, plain].map((each) => each.destroy()));
    secure.pipe(plain).pipe(secure);
  });
  listener.on('tlsClientError', () => undefined);
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(async () => void listener.close());
  return (listener.address() as AddressInfo).port;
}

it('takes user and password from the URL, for commands as for live updates', async () => {
  const { server, client } = await start();
  await client.send(
    'ACL',
    'SETUSER',
    'app',
    'on',
    '>p@ss:w/rd',
    '~{esp:*',
    '~esp:*',
    '&esp:*',
    '+@all',
    '-@admin',
    '-@dangerous',
  );
  await client.send('ACL', 'SETUSER', 'default', 'off');
  const url = server.url.replace('//', `//app:${encodeURIComponent('p@ss:w/rd')}@`);
  const store = await open(url);
  const feeding = createMetricsFeeding(store, [0], Date.now);
  const tokens: string[] = [];
  store.subscribe(({ watermark }) => tokens.push(watermark.commitToken));
  feeding.push(0);
  await feeding.untilExact(await open(url));
  feeding.push(0);
  await feeding.untilExact();
  await expect.poll(() => tokens.at(-1), { timeout: 10_000 }).toBe(feeding.mark(0).commitToken);
});

it('says that the password is wrong, and not what it is', async () => {
  const { server, client } = await start();
  await client.send('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all');
  const store = await open(server.url.replace('//', '//app:hunter2@'));
  const error = await store.watermark(0).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UnavailableError);
  expect(String(error)).toMatch(/WRONGPASS.*REDIS_URL is wrong/);
  // Nor in what it was caused by, which a log may show whole.
  expect(inspect(error, { depth: 9 })).not.toContain('hunter2');
});

it('says who it is without a password too', async () => {
  const { server, client } = await start();
  await client.send('ACL', 'SETUSER', 'app', 'on', 'nopass', '~{esp:*', '~esp:*', '&esp:*', '+@all');
  await client.send('ACL', 'SETUSER', 'default', 'off');
  const store = await open(server.url.replace('//', '//app:@'));
  expect(await store.watermark(0)).toBeNull();
});

it('speaks TLS to rediss://, and to no server that it can not trust', async () => {
  const { server } = await start();
  const url = `rediss://localhost:${await startTls(server.port)}`;
  const store = await open(url, { tls: { ca: testCertificate } });
  const feeding = createMetricsFeeding(store, [0], Date.now);
  feeding.push(0);
  await feeding.untilExact();
  const distrustful = await open(url);
  await expect(distrustful.watermark(0)).rejects.toThrow(/self-signed certificate/);
});

it('shares a Redis with other installations, and a database of its own', async () => {
  const { server, client } = await start();
  const [one, other] = [await open(server.url), await open(server.url, { prefix: 'other' })];
  const [elsewhere] = [await open(`${server.url}/5`)];
  const feeding = createMetricsFeeding(one, [0], Date.now);
  feeding.push(0);
  await feeding.untilExact();
  for (const store of [other, elsewhere]) expect((await store.read('5m', Date.now())).allTime.total).toBe(0);
  const keys = await client.send<string[]>('KEYS', '*');
  expect(keys.filter((key) => !/^(\{esp:0\}:|esp:)/.test(key))).toEqual([]);
});

it('refuses a prefix that would break the hash tags', async () => {
  await expect(open('redis://localhost', { prefix: 'a{b}' })).rejects.toThrow(StartupError);
});
