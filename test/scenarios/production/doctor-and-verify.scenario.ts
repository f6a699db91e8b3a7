// Promise: `esp verify` finds nothing on a sound installation, and finds a row that was deleted and a counter that was
// changed in Redis; `esp doctor` says of every part whether it is well, and what to do where it is not.

import { createClient } from 'redis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { queryPostgres } from '../../../src/testing/postgres-store.ts';
import { type RunningServer, waitFor } from '../harness.ts';
import { createInstallation, type Installation } from './installation.ts';

async function withEvents(): Promise<{ installation: Installation; server: RunningServer }> {
  const installation = await createInstallation();
  const server = await installation.start();
  const events = Array.from({ length: 50 }, (_, n) => ({
    event_type: n % 3 ? 'a' : 'b',
    source: 's',
    id: `${n}`,
    payload: {},
  }));
  await server.send([...events, events[0]!]);
  await waitFor('all of it to be settled', async () => {
    const { stored, duplicate } = await server.settled();
    return stored === 50 && duplicate === 1;
  });
  return { installation, server };
}

async function redisOf({ env }: Installation) {
  const client = createClient({ url: env.REDIS_URL! });
  await client.connect();
  onTestFinished(() => client.destroy());
  return client;
}

describe('esp verify', () => {
  it('finds nothing, then a row that is gone; the server finds the same', async () => {
    const { installation, server } = await withEvents();
    expect(await installation.esp(['verify'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^OK/) });

    await queryPostgres(
      installation.env.DATABASE_URL!,
      'DELETE FROM events WHERE id = (SELECT id FROM events LIMIT 1)',
    );
    const { code, stdout } = await installation.esp(['verify', '--json']);
    expect(code).toBe(1);
    const found = JSON.parse(stdout) as { discrepancies: { code: string }[] };
    expect(found.discrepancies.map((one) => one.code)).toContain('rows_missing');
    const { body } = await server.request<{ discrepancies: { code: string }[] }>('/api/verify', { method: 'POST' });
    expect(body.discrepancies.map((one) => one.code)).toContain('rows_missing');
  });

  it('finds a counter that was changed in Redis, also through a server that keeps copies; a rebuild mends it', async () => {
    const { installation, server } = await withEvents();
    // What the server has read by now, it keeps.
    await server.get('/api/metrics');
    const redis = await redisOf(installation);
    const prefix = installation.env.ESP_REDIS_PREFIX!;
    const [key] = (await redis.keys(`{${prefix}:*:totals`)).sort();
    // The first byte is a counter: one more or one less.
    const first = String(await redis.getRange(key!, 0, 0)).charCodeAt(0);
    await redis.setRange(key!, 0, String.fromCharCode(first ^ 1));

    const { code, stdout } = await installation.esp(['verify']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/metrics_differ: Partition \d, .* in all time: \d+ in the metrics, \d+ in the store\./);
    const { body } = await server.request<{ discrepancies: { code: string }[] }>('/api/verify', { method: 'POST' });
    expect(new Set(body.discrepancies.map((one) => one.code))).toEqual(new Set(['metrics_differ']));

    expect(await installation.esp(['rebuild-metrics'], { ESP_URL: server.url })).toMatchObject({ code: 0 });
    expect(await installation.esp(['verify'])).toMatchObject({ code: 0 });
  });

  it('finds metrics that are gone where no worker brings them back', async () => {
    const { installation, server } = await withEvents();
    await server.stop();
    const redis = await redisOf(installation);
    for (const key of await redis.keys(`*${installation.env.ESP_REDIS_PREFIX}*`)) await redis.del(key);
    const { code, stdout } = await installation.esp(['verify']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/metrics_behind: Partition \d: the metrics have nothing of it/);
    const again = await installation.start();
    await waitFor('the metrics to be back', async () => (await installation.esp(['verify'])).code === 0);
    await again.stop();
  });
});

describe('esp doctor', () => {
  it('finds an installation well, and says what each part is', async () => {
    const { installation, server } = await withEvents();
    await waitFor('every partition to be claimed', async () => {
      return (await server.get<{ reasons: unknown[] }>('/health/ready')).reasons.length === 0;
    });
    const { code, stdout } = await installation.esp(['doctor'], { ESP_URL: server.url });
    expect(stdout).toMatch(/ok +Kafka answers at/);
    expect(stdout).toMatch(/ok +PostgreSQL 18\.\d+ answers/);
    expect(stdout).toMatch(/ok +its schema is up to date/);
    expect(stdout).toMatch(/ok +(Redis|Valkey) \S+ answers/);
    expect(stdout).toMatch(/ok +every event is accounted for: 50 stored, 1 duplicates/);
    expect(stdout).toMatch(/ok +it is ready/);
    expect(stdout).toMatch(/warning +One broker has each event/);
    expect(stdout).not.toContain('PROBLEM');
    expect(code).toBe(0);
  });

  it('says what is missing before anything is set up, of each part by itself', async () => {
    const installation = await createInstallation({ isSetUp: false });
    const { code, stdout } = await installation.esp(['doctor']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/PROBLEM +the topic \S+ is missing\n +→ esp topics create/);
    expect(stdout).toMatch(/PROBLEM +its schema lacks \d migrations .*\n +→ esp migrate/);
    expect(stdout).toMatch(/ok +(Redis|Valkey) \S+ answers/);
  });

  it('tells which parts do not answer, and hides no other', async () => {
    const installation = await createInstallation();
    const { code, stdout } = await installation.esp(['doctor'], {
      DATABASE_URL: 'postgres://esp@127.0.0.1:1/esp',
      REDIS_URL: 'redis://127.0.0.1:1',
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/ok +Kafka answers/);
    expect(stdout).toMatch(/PROBLEM +PostgreSQL does not answer.*\n.*DATABASE_URL/);
    expect(stdout).toMatch(/PROBLEM +Redis at 127.0.0.1:1 can not be reached/);
  });
});
