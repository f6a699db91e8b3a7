// Promise: every record that fails is told on the topic of failed events, in the order it failed, with reason, attempt
// and origin in headers, for any Kafka client to read; also one that failed while the topic was away, and nothing of it
// holds up storing.
import { expect, it } from 'vitest';
import type { FailedEventPage } from '../../../src/http/contract.ts';
import { queryPostgres } from '../../../src/testing/postgres-store.ts';
import { runKafkaTool } from '../../../src/testing/stack/kafka.ts';
import { waitFor } from '../harness.ts';
import { createInstallation, type Installation } from './installation.ts';

interface Told {
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

/** What Kafka's own console consumer reads of the failed topic, from its beginning, once there is so much. */
async function readWithConsole({ env }: Installation, count: number): Promise<Told[]> {
  const text = await runKafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    '--bootstrap-server',
    env.KAFKA_BROKERS!,
    '--topic',
    env.ESP_FAILED_TOPIC!,
    '--from-beginning',
    '--max-messages',
    String(count),
    '--timeout-ms',
    '30000',
    '--formatter-property',
    'print.headers=true',
  ]);
  return text
    .split('\n')
    .filter((line) => line.includes('\t'))
    .map((line) => {
      const [headers, value] = line.split('\t');
      const pairs = headers!.split(/,(?=[a-z-]+:)/).map((pair) => /^([a-z-]+):(.*)$/s.exec(pair)!.slice(1, 3));
      return { headers: Object.fromEntries(pairs), value: value! };
    });
}

it('poison among good events is told with its reason and where it stood, and again with its attempt', async () => {
  const installation = await createInstallation({ partitions: 2 });
  const [api] = await Promise.all([installation.startApi(), installation.startWorker()]);
  const good = Array.from({ length: 300 }, (_, n) => ({ event_type: 'a', source: 's', id: `${n}`, payload: { n } }));
  await api.send(good.slice(0, 150));
  await installation.produce(['no JSON at all', '{"id":"x"}'], 1);
  await api.send(good.slice(150));
  await waitFor('everything to be settled', async () => {
    const { stored, failed } = await api.settled();
    return stored === 300 && failed === 2;
  });

  const told = await readWithConsole(installation, 2);
  expect(told.map(({ value }) => value)).toEqual(['no JSON at all', '{"id":"x"}']);
  expect(told[0]!.headers).toMatchObject({
    'reason-code': 'invalid_json',
    'reason-message': expect.stringMatching(/./),
    attempt: '1',
    'origin-topic': installation.env.ESP_TOPIC,
    'origin-partition': '1',
    'origin-offset': expect.stringMatching(/^\d+$/),
    'inbox-id': expect.stringMatching(/^store:1:1:\d+$/),
  });
  expect(told[1]!.headers['reason-code']).toBe('invalid_event');
  const { failed_events: inbox } = await api.get<FailedEventPage>('/api/failed-events');
  expect(inbox.map(({ id }) => id).sort()).toEqual(told.map(({ headers }) => headers['inbox-id']).sort());
});

it('what failed while its topic was away is told once it is back, and storing does not wait for it', async () => {
  const installation = await createInstallation({ partitions: 1 });
  const [api] = await Promise.all([installation.startApi(), installation.startWorker()]);
  await installation.produce(['first']);
  await waitFor('the first to be published', async () => (await publishedUpTo(installation)) === '0');

  await runKafkaTool('org.apache.kafka.tools.TopicCommand', [
    '--bootstrap-server',
    installation.env.KAFKA_BROKERS!,
    '--delete',
    '--topic',
    installation.env.ESP_FAILED_TOPIC!,
  ]);
  await installation.produce(['second']);
  await api.send([{ event_type: 'a', payload: {} }]);
  await waitFor('everything to be settled', async () => {
    const { stored, failed } = await api.settled();
    return stored === 1 && failed === 2;
  });
  expect(await publishedUpTo(installation)).toBe('0');
  // Another one that starts now is told at once.
  const refused = await installation.esp(['worker']);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/esp topics create/) });

  expect(await installation.esp(['topics', 'create'])).toMatchObject({ code: 0 });
  await waitFor('the second to be published', async () => (await publishedUpTo(installation)) === '1', {
    timeoutMs: 60_000,
  });
  expect((await readWithConsole(installation, 1)).map(({ value }) => value)).toEqual(['second']);
});

it('what was published before a crash could be noted is told again, never left out', async () => {
  const installation = await createInstallation({ partitions: 1 });
  const first = await installation.startWorker();
  await installation.produce(['first']);
  await waitFor('it to be published', async () => (await publishedUpTo(installation)) === '0');
  await first.kill();
  await queryPostgres(installation.env.DATABASE_URL!, 'DELETE FROM publications');
  await installation.startWorker({ timeoutMs: 90_000 });
  await waitFor('it to be published again', async () => (await publishedUpTo(installation)) === '0', {
    timeoutMs: 60_000,
  });
  await installation.produce(['second']);
  await waitFor('the second to be published', async () => (await publishedUpTo(installation)) === '1');
  const told = await readWithConsole(installation, 3);
  expect(told.map(({ value }) => value)).toEqual(['first', 'first', 'second']);
});

async function publishedUpTo({ env }: Installation): Promise<string | undefined> {
  const [row] = await queryPostgres(env.DATABASE_URL!, 'SELECT log_offset::text AS up_to FROM publications');
  return row?.up_to as string | undefined;
}
