import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createTestClient } from '../../testing/redis-client.ts';
import { freePort } from '../../testing/stack/free-port.ts';
import { type RedisOptions, startRedis } from '../../testing/stack/redis.ts';
import { startRedisCluster } from '../../testing/stack/redis-cluster.ts';
import { checkRedis } from './check.ts';

const check = (url: string, now: () => number = Date.now) => checkRedis({ url, prefix: 'esp', now });

async function start(options: RedisOptions = {}) {
  const server = await startRedis(options);
  onTestFinished(() => server.dispose());
  const client = await createTestClient(server.url);
  onTestFinished(() => client.destroy());
  return { server, client };
}

it('finds nothing to say of a server that is as it should be, and leaves nothing there', async () => {
  const { server, client } = await start();
  const findings = await check(server.url);
  expect(findings.filter(({ level }) => level === 'problem')).toEqual([]);
  const told = findings.map(({ what }) => what).join('\n');
  expect(told).toMatch(/(Redis|Valkey) \d+\.\d+\.\d+ answers at 127\.0\.0\.1:\d+/);
  expect(told).toMatch(/answers in \d+\.\d ms/);
  expect(told).toMatch(/append-only file/);
  expect(told).toMatch(/may do what is needed/);
  expect(await client.send('DBSIZE')).toBe(0);
});

it('says what to do of a server that would drop keys', async () => {
  const { server } = await start({ maxmemoryPolicy: 'allkeys-lru', settings: { maxmemory: '200mb' } });
  expect(await check(server.url)).toContainEqual({
    level: 'problem',
    what: expect.stringContaining('maxmemory-policy allkeys-lru'),
    advice: expect.arrayContaining(['set maxmemory-policy to noeviction']),
  });
});

it('tells a clock that is off', async () => {
  const { server } = await start({ appendonly: false });
  const findings = await check(server.url, () => Date.now() - 60_000);
  expect(findings).toContainEqual({
    level: 'warning',
    what: expect.stringMatching(/clock of Redis .* is (59|60)\.\d s ahead/),
    advice: expect.any(Array),
  });
  expect(findings.map(({ what }) => what).join()).toMatch(/made anew from the store/);
});

it('names the primary of a replica', async () => {
  const { server: primary } = await start();
  const { server: replica } = await start({ settings: { replicaof: `127.0.0.1 ${primary.port}` } });
  const findings = await check(replica.url);
  expect(findings).toContainEqual(
    expect.objectContaining({
      level: 'problem',
      advice: [`let REDIS_URL name its primary, 127.0.0.1:${primary.port}`],
    }),
  );
  expect(findings).toContainEqual(expect.objectContaining({ what: expect.stringMatching(/refuses.*READONLY/) }));
});

it('tells a missing right, and what it would take', async () => {
  const { server, client } = await start();
  await client.send('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', '-publish');
  const url = server.url.replace('//', '//app:secret@');
  expect(await check(url)).toContainEqual(
    expect.objectContaining({
      level: 'problem',
      what: expect.stringMatching(/refuses what is needed/),
      advice: [expect.stringContaining('~esp:*')],
    }),
  );
  await client.send(
    'ACL',
    'SETUSER',
    'app',
    'reset',
    'on',
    '>secret',
    '~{esp:*',
    '~esp:*',
    '&esp:*',
    '+@all',
    '-@admin',
    '-@dangerous',
    '+info',
  );
  expect((await check(url)).filter(({ level }) => level === 'problem')).toEqual([]);
});

it('tells a server that is away or a URL that can not be meant, and nothing of a password', async () => {
  const port = await freePort();
  const [finding, ...more] = await check(`redis://app:hunter2@127.0.0.1:${port}`);
  expect(more).toEqual([]);
  expect(finding).toMatchObject({ level: 'problem', what: expect.stringMatching(/can not be reached.*ECONNREFUSED/) });
  expect(JSON.stringify(finding)).not.toContain('hunter2');
  expect(await check('localhost')).toEqual([
    { level: 'problem', what: expect.stringMatching(/REDIS_URL must look like/) },
  ]);
  const { server } = await start();
  expect(await check(server.url.replace('//', '//app:hunter2@'))).toEqual([
    expect.objectContaining({ level: 'problem', what: expect.stringMatching(/WRONGPASS.*REDIS_URL is wrong/) }),
  ]);
});

it('asks a server that is silent once', async () => {
  let connections = 0;
  const silent = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const { port } = silent.address() as AddressInfo;
  const findings = await check(`redis://127.0.0.1:${port}`);
  expect(findings).toEqual([expect.objectContaining({ level: 'problem' })]);
  // What it is and what its user may do, each on a connection of its own.
  expect(connections).toBe(2);
});

it('looks at every primary of a cluster, and at the cluster', async () => {
  const cluster = await startRedisCluster();
  onTestFinished(() => cluster.dispose());
  const [first] = cluster.nodes;
  const url = `redis+cluster://127.0.0.1:${first!.port}`;
  const findings = await check(url);
  expect(findings.filter(({ level }) => level === 'problem')).toEqual([]);
  expect(findings.map(({ what }) => what).join('\n')).toMatch(/cluster of 3 primaries.*is well/);
  for (const { port } of cluster.nodes) {
    expect(findings.some(({ what }) => what.includes(`answers at 127.0.0.1:${port}`))).toBe(true);
  }
  const single = await check(first!.url);
  expect(single).toContainEqual(
    expect.objectContaining({ level: 'problem', what: expect.stringContaining('one node of a cluster') }),
  );
  const { server } = await start();
  expect(await check(server.url.replace('redis:', 'redis+cluster:'))).toEqual([
    expect.objectContaining({
      level: 'problem',
      what: expect.stringMatching(/cluster support disabled.*write REDIS_URL as redis:/),
    }),
  ]);
  await cluster.nodes[2]!.kill();
  await expect
    .poll(
      async () =>
        (await check(url))
          .filter(({ level }) => level === 'problem')
          .map(({ what }) => what)
          .join(),
      {
        timeout: 30_000,
        interval: 500,
      },
    )
    .toMatch(/is fail: 1\d{4} of 16384 slots/);
});
