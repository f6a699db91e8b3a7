// Promise: where workers are down for longer than the topic keeps records, what is gone is `lost` in the ledger, to the
// record, and alarmed: in the log, in the numbers for Prometheus, and by `esp doctor`. What is still there is stored.
import { Admin } from '@platformatic/kafka';
import { expect, it, onTestFinished } from 'vitest';
import type { LedgerView } from '../../../src/http/contract.ts';
import { changeTopic } from '../../../src/testing/kafka-harness.ts';
import { startKafka } from '../../../src/testing/stack/kafka.ts';
import { type RunningServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';

const gauge = async (server: RunningServer, name: string) =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec((await server.request('/metrics')).text)?.[1]);

it('tells what the topic let go of before anybody read it', async () => {
  // Brokers look every five minutes, as they come.
  const impatient = { 'log.retention.check.interval.ms': 200, 'log.initial.task.delay.ms': 200 };
  const kafka = await startKafka({ settings: impatient });
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [kafka.brokers], retries: 0 });
  onTestFinished(async () => {
    await admin.close();
    await kafka.dispose();
  });
  const installation = await createInstallation({ servers: { KAFKA_BROKERS: kafka.brokers } });
  const topic = installation.env.ESP_TOPIC!;
  const [api, worker] = await Promise.all([installation.startApi(), installation.startWorker()]);
  const before = createLoad(api.send);
  for (let n = 0; n < 3; n += 1) expect(await before.send()).toBe(202);
  await waitFor('them to be stored', async () => (await api.settled()).stored === 300);
  expect(await gauge(api, 'esp_lost_records')).toBe(0);
  expect(await worker.stop()).toEqual({ code: 0, signal: null });

  const never = createLoad(api.send, (n) => ({ event_type: 'late', source: 'never read', id: `${n}`, payload: {} }));
  for (let n = 0; n < 4; n += 1) expect(await never.send()).toBe(202);
  await changeTopic(admin, topic, { 'retention.ms': '1' });
  // The offsets that a group of no member would begin at.
  const starts = async () => {
    const requested = [0, 1, 2, 3].map((partitionIndex) => ({ partitionIndex, timestamp: -2n }));
    const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: requested }] });
    return found!.partitions.reduce((sum, { offset }) => sum + Number(offset), 0);
  };
  await waitFor('the topic to have let go of all of it', async () => (await starts()) === 700);
  await changeTopic(admin, topic, { 'retention.ms': String(7 * 24 * 3_600_000) });
  const after = createLoad(api.send, (n) => ({ event_type: 'late', source: 'kept', id: `${n}`, payload: {} }));
  for (let n = 0; n < 2; n += 1) expect(await after.send()).toBe(202);

  const late = await installation.startWorker();
  const accepted = new Set([...before.accepted, ...after.accepted]);
  const ledger = await expectStoredOnce(api, { accepted }, { lost: 400 });
  expect(ledger).toMatchObject({ appended: 900, balanced: true } satisfies Partial<LedgerView>);

  expect(late.output()).toMatch(/"level":"error".*"msg":"gap.lost"/);
  expect((await late.request('/metrics')).text).toMatch(/^esp_records_total\{outcome="lost"\} 400$/m);
  expect(await gauge(api, 'esp_lost_records')).toBe(400);
  const doctor = await installation.esp(['doctor'], { ESP_URL: api.url });
  expect(doctor.stdout).toMatch(/warning +400 records are lost: .*\n.*retention\.ms/);
});
