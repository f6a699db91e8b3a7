// Promise: a topic that was deleted and made anew is noticed by every process: nothing is taken in, nothing skipped, an
// operator is told what to do; once it is adopted everything goes on, without a restart, and balances.
import { expect, it } from 'vitest';
import type { LedgerView, ReadinessView } from '../../../src/http/contract.ts';
import { runKafkaTool } from '../../../src/testing/stack/kafka.ts';
import { type RunningServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';

const send = (server: RunningServer, from: number, to: number) =>
  server.send(
    Array.from({ length: to - from }, (_, n) => ({ event_type: 'a', source: 's', id: `${from + n}`, payload: {} })),
  );

const isRefused = ({ status, body }: Awaited<ReturnType<typeof send>>) =>
  status === 503 && (body as unknown as { code: string }).code === 'log_replaced';

it('a topic that was made anew stops everything until it is adopted', async () => {
  const installation = await createInstallation({ partitions: 2 });
  const [api, worker] = await Promise.all([
    installation.startApi({ env: { ESP_HTTP_THREADS: '3' } }),
    installation.startWorker(),
  ]);
  expect((await send(api, 0, 50)).status).toBe(202);
  await waitFor('the events to be stored', async () => (await api.settled()).stored === 50);

  const { KAFKA_BROKERS: brokers, ESP_TOPIC: topic } = installation.env;
  await runKafkaTool('org.apache.kafka.tools.TopicCommand', [
    '--bootstrap-server',
    brokers!,
    '--delete',
    '--topic',
    topic!,
  ]);
  expect(await installation.esp(['topics', 'create'])).toMatchObject({ code: 0 });

  await waitFor('the API to refuse', async () => isRefused(await send(api, 50, 51)));
  // By all of its threads: so many at once are as many connections, and each thread has some of them.
  expect((await Promise.all(Array.from({ length: 40 }, () => send(api, 50, 51)))).filter(isRefused)).toHaveLength(40);
  for (const server of [api, worker]) {
    const ready = await waitFor('its readiness to tell', async () => {
      const answer = await server.request<ReadinessView>('/health/ready');
      return answer.body.reasons.some(({ code }) => code === 'log_replaced') && answer;
    });
    expect(ready.status).toBe(503);
    expect((await server.request('/health/live')).status).toBe(200);
  }
  // A process that starts now knows it before it takes anything.
  const late = await installation.startApi({ waitUntilReady: false });
  expect((await send(late, 50, 51)).status).toBe(503);
  expect((await late.stop()).code).toBe(0);

  const doctor = await installation.esp(['doctor'], { ESP_URL: api.url });
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toMatch(/PROBLEM +Partition \d was processed from the log .*\n.*\n.*esp doctor --adopt-log/);

  const adopted = await installation.esp(['doctor', '--adopt-log']);
  expect(adopted).toMatchObject({ code: 0, stdout: expect.stringMatching(/is now log number 2/) });
  await waitFor('the API to take events again', async () => (await send(api, 40, 60)).status === 202);
  const ledger = await waitFor('them to be settled', async () => {
    const found = await api.settled();
    return found.stored === 60 && found;
  });
  expect(ledger).toMatchObject({ balanced: true, lost: 0 } satisfies Partial<LedgerView>);
  expect(new Set(ledger.partitions.map((entry) => entry.log_no))).toEqual(new Set([1, 2]));
  expect(await installation.esp(['verify'])).toMatchObject({ code: 0 });
  expect(await installation.esp(['doctor', '--adopt-log'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/nothing to adopt/),
  });
});
