import { Admin, Consumer, MessagesStreamModes } from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StartupError, UnavailableError } from '../../../domain/failure.ts';
import { changeTopic } from '../../../testing/kafka-harness.ts';
import { freshTopicName, sharedBrokers } from '../../../testing/stack/shared.ts';
import type { FailedRecord } from '../../failed-topic.ts';
import { createKafkaEventLog } from '../event-log.kafka.ts';
import { createKafkaFailedTopic } from '../failed-topic.kafka.ts';
import { type KafkaTopicsOptions, openKafkaTopics, partitionsExplained } from './topics.ts';

const dayMs = 24 * 3_600_000;

let brokers: string;
let admin: Admin;
beforeAll(async () => {
  brokers = await sharedBrokers();
  admin = new Admin({ clientId: 'test', bootstrapBrokers: [brokers], retries: 0 });
});
afterAll(() => admin?.close());

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function topicsWith(options: Partial<KafkaTopicsOptions> = {}) {
  const events = freshTopicName();
  const connection = { brokers: [brokers], clientId: 'test' };
  const names = { events, failed: `${events}.failed`, group: `esp-${events}` };
  const topics = openKafkaTopics({ ...connection, ...names, rowsKeptMs: null, ...options });
  closing.push(() => topics.close());
  return { topics, connection, ...names };
}

describe('the topics', () => {
  it('are made as they should be, and left as they are the next time', async () => {
    const { topics, events, failed, connection, group } = topicsWith({ rowsKeptMs: 30 * dayMs });
    expect(await topics.check()).toMatchObject({ missing: [events, failed], topics: [], durability: null });
    const made = await topics.create({ partitions: 3 });
    expect(made).toMatchObject({
      topics: [
        { name: events, partitions: 3, replication: 1, made: true },
        { name: failed, partitions: 1, replication: 1, made: true },
      ],
      missing: [],
      findings: [],
      durability: expect.stringMatching(/^One broker has each event/),
    });
    expect(made.topics[0]!.settings).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': String(7 * dayMs),
      'message.timestamp.type': 'LogAppendTime',
      'unclean.leader.election.enable': 'false',
    });
    // At once, by another client.
    const log = await createKafkaEventLog({ ...connection, topic: events, group });
    closing.push(() => log.close());
    expect(log.partitions).toBe(3);
    expect(await log.append([{ partition: 2, value: Buffer.from('x') }])).toEqual([{ partition: 2, offset: 0 }]);

    await changeTopic(admin, events, { 'retention.ms': String(2 * dayMs) });
    const again = await topics.create({ partitions: 8, retentionMs: dayMs });
    expect(again.topics.map(({ partitions, made: isMade }) => [partitions, isMade])).toEqual([
      [3, false],
      [1, false],
    ]);
    expect(again.topics[0]!.settings).toMatchObject({ 'retention.ms': String(2 * dayMs) });
    expect(await topics.check()).toMatchObject({ findings: [], missing: [] });
  });

  it('are not made so that a promise would not hold', async () => {
    const { topics, events } = topicsWith({ rowsKeptMs: 2 * dayMs });
    const refused = topics.create({ partitions: 1, retentionMs: 3 * dayMs });
    await expect(refused).rejects.toBeInstanceOf(StartupError);
    await expect(refused).rejects.toThrow(/could be stored a second time.*set retention\.ms=/);
    expect(await admin.listTopics()).not.toContain(events);
    await expect(topics.create({ partitions: 1, replication: 3 })).rejects.toThrow(/INVALID_REPLICATION_FACTOR/);
  });

  it('that others have made are looked at, and what would break a promise is named', async () => {
    const { topics, events } = topicsWith({ rowsKeptMs: dayMs });
    await admin.createTopics({
      topics: [events],
      partitions: 2,
      replicas: 1,
      configs: [{ name: 'cleanup.policy', value: 'compact' }],
    });
    const { findings, topics: seen } = await topics.create({ partitions: 2 });
    expect(seen.map(({ made }) => made)).toEqual([false, true]);
    expect(findings.map(({ level, what }) => `${level} ${what}`)).toEqual([
      expect.stringMatching(/^wrong cleanup.policy is compact/),
      expect.stringMatching(/^wrong it keeps records for 14 days .* rows are kept for 24 hours/),
      expect.stringMatching(/^weak message.timestamp.type is CreateTime/),
    ]);
  });

  it('get more partitions, and never fewer', async () => {
    const { topics } = topicsWith();
    await expect(topics.raisePartitions(8)).rejects.toBeInstanceOf(UnavailableError);
    await topics.create({ partitions: 4 });
    await topics.raisePartitions(8);
    expect(await topics.countPartitions()).toBe(8);
    for (const count of [8, 3]) {
      await expect(topics.raisePartitions(count)).rejects.toThrow(
        /has 8 partitions; Kafka can add some, and take none/,
      );
    }
    expect(partitionsExplained(4, 8)).toMatch(/With 8 instead of 4, most keys move.*happens once/);
  });
});

describe('the failed topic', () => {
  async function openFailed(partitions = 1) {
    const { topics, failed, connection, events } = topicsWith();
    await topics.create({ partitions: 1 });
    if (partitions > 1) await admin.createPartitions({ topics: [{ name: failed, count: partitions }] });
    const failedTopic = await createKafkaFailedTopic({ ...connection, topic: failed });
    closing.push(() => failedTopic.close());
    return { failedTopic, failed, events };
  }

  /** As another program reads it. */
  async function readAll(topic: string, count: number) {
    const consumer = new Consumer({
      clientId: 'other',
      groupId: `other-${topic}`,
      bootstrapBrokers: [brokers],
    });
    closing.push(() => consumer.close(true));
    const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false });
    const messages = [];
    for await (const { key, value, headers, partition } of stream) {
      const texts = Object.fromEntries([...headers].map(([name, text]) => [String(name), String(text)]));
      messages.push({ key: key?.toString() ?? null, value, headers: texts, partition });
      if (messages.length === count) break;
    }
    await stream.close();
    return messages;
  }

  const headers = { reason: 'conflict', attempt: '1', origin: 'events/3/17' };

  it('has what was published, with key and headers, each key in order', async () => {
    const { failedTopic, failed } = await openFailed(4);
    const records: FailedRecord[] = Array.from({ length: 60 }, (_, nth) => ({
      key: nth % 5 === 0 ? null : `key-${nth % 5}`,
      value: Buffer.from(`{"nth":${nth}}`),
      headers: { ...headers, nth: String(nth) },
    }));
    await failedTopic.publish(records.slice(0, 25));
    await failedTopic.publish(records.slice(25));
    await failedTopic.publish([]);
    const messages = await readAll(failed, 60);
    for (let nth = 1; nth < 5; nth += 1) {
      const ofKey = messages.filter(({ key }) => key === `key-${nth}`);
      expect(ofKey.map((message) => message.headers.nth)).toEqual(
        Array.from({ length: 12 }, (_, round) => String(round * 5 + nth)),
      );
      expect(new Set(ofKey.map(({ partition }) => partition)).size).toBe(1);
    }
    const first = messages.find((message) => message.headers.nth === '0')!;
    expect(first).toMatchObject({ key: null, value: Buffer.from('{"nth":0}'), headers });
  });

  it('leaves out a value that is too large for it, and says so', async () => {
    const { failedTopic, failed } = await openFailed();
    await changeTopic(admin, failed, { 'max.message.bytes': '10000' });
    const large = { key: 'large', value: Buffer.alloc(50_000, 'x'), headers };
    const small = { key: 'small', value: Buffer.from('y'), headers };
    await failedTopic.publish([small, large, small]);
    const messages = await readAll(failed, 3);
    expect(messages.map(({ key, value }) => [key, value.length])).toEqual([
      ['small', 1],
      ['large', 0],
      ['small', 1],
    ]);
    expect(messages[1]!.headers).toEqual({ ...headers, 'value-omitted': '50000' });
  });

  it('waits for what is under way when it is closed, and takes nothing after', async () => {
    const { failedTopic, failed } = await openFailed();
    const publishing = failedTopic.publish([{ key: null, value: Buffer.from('last'), headers }]);
    await failedTopic.close();
    await publishing;
    await expect(failedTopic.publish([])).rejects.toMatchObject({ code: 'log_closed' });
    expect(await readAll(failed, 1)).toHaveLength(1);
  });

  it('that is not there is missed at once', async () => {
    const { connection, failed } = topicsWith();
    await expect(createKafkaFailedTopic({ ...connection, topic: failed })).rejects.toThrow(/`esp topics create`/);
  });
});
