import { randomUUID } from 'node:crypto';
import { Producer } from '@platformatic/kafka';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { limits } from '../domain/limits.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import type { EventLog } from '../event-log/event-log.ts';
import type { EventStore, PartitionProgress } from '../event-store/event-store.ts';
import { createPrometheus } from '../telemetry/prometheus.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import { appendAll, longMs } from '../testing/event-log.contract.harness.ts';
import { claimOf, eventOf, eventsOf } from '../testing/event-store.batches.ts';
import { type KafkaLogHarness, makeKafkaLog } from '../testing/kafka-harness.ts';
import { samplesOf } from '../testing/prometheus-samples.ts';
import { sharedBrokers } from '../testing/stack/shared.ts';
import { temporaryStore } from '../testing/temporary-store.ts';
import { type Ledger, readLedger } from './ledger.ts';
import { createPace } from './pace.ts';
import { pause } from './pause.ts';
import { oldestUnreadReceivedAt } from './unread.ts';
import { createWorker, type Worker } from './worker.ts';

let brokers: string;
beforeAll(async () => {
  brokers = await sharedBrokers();
});

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function topicOf(partitions: number): Promise<KafkaLogHarness> {
  const harness = await makeKafkaLog(brokers, { partitions });
  closing.push(() => harness.dispose());
  return harness;
}

/** Another program's producer, which leaves control records behind. */
function transactionalProducer(topic: string): Producer {
  const producer = new Producer({
    clientId: 'other',
    bootstrapBrokers: [brokers],
    idempotent: true,
    transactionalId: `other-${topic}`,
  });
  closing.push(() => producer.close(true));
  return producer;
}

/** The product's worker on this log, with as little around it as it needs. */
function startWorker(log: EventLog, store: EventStore, telemetry = createTelemetry()): Worker {
  const worker = createWorker({
    log,
    store,
    feed: {
      push: () => undefined,
      claimed: () => undefined,
      rebuildHalted: () => undefined,
      rebuildTo: () => undefined,
      check: () => undefined,
      settle: async () => undefined,
    },
    maintenance: { run: async ({ commitToken }) => ({ commitToken }) },
    telemetry,
    now: Date.now,
    elapsed: () => performance.now(),
    random: Math.random,
    freshToken: randomUUID,
    pause,
    pace: createPace(limits.batchRestFactor.servers),
    batchLimits: { recordsMax: 500, bytesMax: 1_000_000 },
    idleMs: 300,
  });
  void worker.run();
  closing.push(() => worker.stop());
  return worker;
}

async function appendEvents(log: EventLog, count: number): Promise<string[]> {
  const events = eventsOf(count);
  const records = events.map((event, nth) => ({ partition: nth % log.partitions, value: encodeRecord(event) }));
  await appendAll(log, records);
  return events.map(({ id }) => id);
}

/** Waits until nothing is in flight. */
async function settled(log: EventLog, store: EventStore): Promise<Ledger> {
  return vi.waitFor(
    async () => {
      const ledger = await readLedger(store, log, Date.now());
      expect(ledger.partitions).toHaveLength(log.partitions);
      expect(ledger.inFlight).toBe(0);
      return ledger;
    },
    { timeout: longMs, interval: 50 },
  );
}

it('the oldest record that waits is found behind what is no data', async () => {
  const { topic, open } = await topicOf(1);
  const log = await open();
  const producer = transactionalProducer(topic);
  const send = (value: Buffer, count = 1) => ({
    messages: Array.from({ length: count }, () => ({ topic, partition: 0, value })),
  });
  const committed = await producer.beginTransaction();
  await committed.send(send(encodeRecord(eventOf({ receivedAt: 1_000 }))));
  await committed.commit();
  const aborted = await producer.beginTransaction();
  await aborted.send(send(Buffer.from('never to be read'), 50));
  await aborted.abort();
  await appendAll(log, [{ partition: 0, value: encodeRecord(eventOf({ receivedAt: 2_000 })) }]);
  const progressAt = (nextOffset: number) => [{ partition: 0, nextOffset } as PartitionProgress];
  await vi.waitFor(async () => expect((await log.describe()).partitions[0]?.end).toBe(54), longMs);
  const found = await Promise.all(
    [0, 1, 2, 30, 53, 54].map((nextOffset) => oldestUnreadReceivedAt(log, progressAt(nextOffset))),
  );
  expect(found).toEqual([1_000, 2_000, 2_000, 2_000, 2_000, null]);
});

describe('the worker on Kafka', () => {
  it('gives every offset of the topic its outcome, whoever wrote there, and workers come and go meanwhile', async () => {
    const { topic, open } = await topicOf(4);
    const log = await open();
    const store = await temporaryStore();
    const first = startWorker(await open(), store);
    const ids = await appendEvents(log, 2_000);
    startWorker(await open(), store);

    const producer = transactionalProducer(topic);
    const messages = (count: number, value: (nth: number) => Buffer) =>
      Array.from({ length: count }, (_, nth) => ({ topic, partition: nth % 4, value: value(nth) }));
    const others = eventsOf(40);
    const committed = await producer.beginTransaction();
    await committed.send({ messages: messages(40, (nth) => encodeRecord(others[nth]!)) });
    await committed.commit();
    const aborted = await producer.beginTransaction();
    await aborted.send({ messages: messages(20, () => Buffer.from('never to be read')) });
    await aborted.abort();
    await first.stop();
    ids.push(...(await appendEvents(log, 2_000)));
    const poison = await producer.beginTransaction();
    await poison.send({ messages: messages(8, () => Buffer.from('{oops')) });
    // A marker is the last thing on each partition.
    await poison.commit();

    const ledger = await settled(log, store);
    expect(ledger).toMatchObject({
      stored: 4_040,
      failed: 8,
      duplicate: 0,
      lost: 0,
      skipped: 20 + 3 * 4,
      balanced: true,
    });
    expect(ledger.openInInbox).toBe(8);
    const wanted = [...ids, ...others.map(({ id }) => id)];
    const rows = await Promise.all(wanted.map((id) => store.event(id)));
    expect(rows.filter((row) => row === null)).toEqual([]);
  });

  it('counts as lost what the topic let go of while nobody worked', async () => {
    const { topic, open, admin } = await topicOf(1);
    const log = await open();
    const store = await temporaryStore();
    const before = startWorker(await open(), store);
    await appendEvents(log, 100);
    await settled(log, store);
    await before.stop();
    await appendEvents(log, 300);
    await admin.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 250n }] }] });
    startWorker(await open(), store);
    const ledger = await settled(log, store);
    expect(ledger).toMatchObject({ stored: 250, lost: 150, skipped: 0, balanced: true });
  });

  it('stops where the topic was made anew, and says so', async () => {
    const { topic, open, admin } = await topicOf(1);
    const log = await open();
    const store = await temporaryStore();
    const worker = startWorker(log, store);
    await appendEvents(log, 10);
    await settled(log, store);
    await admin.deleteTopics({ topics: [topic] });
    await vi.waitFor(() => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }), longMs);
    await vi.waitFor(() => expect(worker.halted().get(0)?.reason).toBe('log_replaced'), {
      timeout: longMs,
      interval: 50,
    });
    expect(worker.halted().get(0)?.message).toMatch(/was processed from the log .*, but this is the log /);
    await vi.waitFor(() => appendEvents(log, 5), longMs);
    expect((await readLedger(store, log, Date.now())).stored).toBe(10);
  });

  it('tells of what it halts only as long as the group leaves it the partition', async () => {
    const { open } = await topicOf(2);
    const store = await temporaryStore();
    const { logId } = await (await open()).describe();
    for (const partition of [0, 1]) await store.claim({ ...claimOf(partition, 7), logId });
    async function startTelling() {
      const telemetry = createTelemetry();
      const prometheus = createPrometheus({ telemetry });
      closing.push(() => prometheus.close());
      const worker = startWorker(await open({ telemetry }), store, telemetry);
      return { worker, halted: async () => (await samplesOf(prometheus)).get('esp_partitions_halted') };
    }

    const first = await startTelling();
    await vi.waitFor(async () => expect(await first.halted()).toBe(2), longMs);
    expect(first.worker.halted().size).toBe(2);
    const second = await startTelling();
    await vi.waitFor(async () => expect([await first.halted(), await second.halted()]).toEqual([1, 1]), longMs);
    await vi.waitFor(() => expect(first.worker.halted().size).toBe(1), longMs);
    await first.worker.stop();
    await vi.waitFor(async () => expect(await second.halted()).toBe(2), longMs);
    expect(second.worker.halted().size).toBe(2);
  });
});
