// Promise: an installation is set up by two commands that may be run again at any time, and whoever forgets one, or a
// setting, is told at once what to do.
import { describe, expect, it } from 'vitest';
import { createKafkaEventLog } from '../../../src/event-log/kafka/event-log.kafka.ts';
import { waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';

describe('esp migrate and esp topics create', () => {
  it('are asked for by whoever starts without them, both at once, and may be run twice and at the same time', async () => {
    const installation = await createInstallation({ isSetUp: false });
    for (const command of ['api', 'worker', 'start']) {
      const { code, stderr } = await installation.esp([command], { PORT: '0' });
      expect(code).toBe(1);
      expect(stderr).toMatch(/esp migrate/);
      expect(stderr).toMatch(/esp topics create/);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
    const planned = await installation.esp(['topics']);
    expect(planned).toMatchObject({ code: 1, stdout: expect.stringMatching(/missing; esp topics create makes it/) });

    const migrations = await Promise.all([installation.esp(['migrate']), installation.esp(['migrate', '--json'])]);
    expect(migrations.map(({ code }) => code)).toEqual([0, 0]);
    expect(await installation.esp(['migrate'])).toMatchObject({ code: 0, stdout: 'the schema is up to date\n' });

    const made = await Promise.all([installation.esp(['topics', 'create']), installation.esp(['topics', 'create'])]);
    expect(made.map(({ code }) => code)).toEqual([0, 0]);
    const again = await installation.esp(['topics', 'create', '--json']);
    expect(JSON.parse(again.stdout)).toMatchObject({
      topics: [
        { name: installation.env.ESP_TOPIC, role: 'events', partitions: 4, made: false },
        { name: installation.env.ESP_FAILED_TOPIC, role: 'failed', partitions: 1, made: false },
      ],
      missing: [],
    });
    const server = await installation.start();
    await server.send([{ event_type: 'a', payload: {} }]);
    expect((await server.settled()).stored).toBe(1);
  });
});

describe('one or two of the three connections', () => {
  it.each(['start', 'api', 'worker', 'migrate', 'topics', 'verify', 'doctor'])(
    'are refused by esp %s, with the names of the others',
    async (command) => {
      const { env, esp } = await createInstallation({ isSetUp: false });
      const withoutRedis = { ...env, REDIS_URL: '' };
      const { code, stderr } = await esp([command], withoutRedis);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^REDIS_URL: must be set too, since KAFKA_BROKERS and DATABASE_URL are/);
      // Passwords are in there.
      expect(stderr).not.toContain(new URL(env.DATABASE_URL!).password);
    },
  );

  it.each(['api', 'worker', 'topics'])('none of them: esp %s says why it is of no use embedded', async (command) => {
    const { esp } = await createInstallation({ isSetUp: false });
    const { code, stderr } = await esp([command], { KAFKA_BROKERS: '', DATABASE_URL: '', REDIS_URL: '' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/KAFKA_BROKERS, DATABASE_URL, REDIS_URL.*Embedded/s);
  });
});

describe('a wrong setting', () => {
  it.each([
    ['password', (url: URL) => void (url.password = 'wrong'), /password authentication failed/],
    ['database', (url: URL) => void (url.pathname = '/nowhere'), /database "nowhere" does not exist/],
  ])('a %s that PostgreSQL does not know ends the start, with its reason', async (_what, change, reason) => {
    const installation = await createInstallation();
    const url = new URL(installation.env.DATABASE_URL!);
    change(url);
    const { code, stderr } = await installation.esp(['api'], { DATABASE_URL: url.href, PORT: '0' });
    expect(code).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

describe('esp topics increase', () => {
  it('explains, and does it only when asked twice; processes that run go on', async () => {
    const installation = await createInstallation({ partitions: 2 });
    const [api] = await Promise.all([installation.startApi(), installation.startWorker()]);
    const events = (label: string) =>
      Array.from({ length: 100 }, (_, n) => ({ event_type: 'a', source: label, id: `${n}`, payload: {} }));
    await api.send(events('before'));

    const first = await installation.esp(['topics', 'increase', '4']);
    expect(first.code).toBe(1);
    expect(first.stdout).toMatch(/most keys move/);
    expect(first.stderr).toMatch(/esp topics increase 4 --yes/);
    expect(await countPartitions(installation.env)).toBe(2);

    expect(await installation.esp(['topics', 'increase', '4', '--yes'])).toMatchObject({ code: 0 });
    expect(await countPartitions(installation.env)).toBe(4);
    expect((await installation.esp(['topics', 'increase', '3', '--yes'])).stderr).toMatch(/has 4 partitions/);

    await waitFor('the new partitions to be claimed', async () => {
      const { partitions } = await api.settled();
      return partitions.length === 4;
    });
    await api.send(events('after'));
    await waitFor('everything to be stored', async () => (await api.settled()).stored === 200);
    expect(await installation.esp(['verify'])).toMatchObject({ code: 0 });
  });
});

async function countPartitions(env: Readonly<Record<string, string>>): Promise<number> {
  const log = await createKafkaEventLog({
    brokers: env.KAFKA_BROKERS!.split(','),
    clientId: 'test',
    topic: env.ESP_TOPIC!,
    group: 'none',
  });
  try {
    return (await log.describe()).partitions.length;
  } finally {
    await log.close();
  }
}
