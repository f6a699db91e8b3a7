import { Producer } from '@platformatic/kafka';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  boundsOf,
  joinGroup,
  longMs,
  never,
  numbered,
  openStream,
  plentiful,
  recordsFor,
  takeRecords,
  textOf,
} from '../../testing/event-log.contract.harness.ts';
import { changeTopic, type KafkaLogHarness, makeKafkaLog } from '../../testing/kafka-harness.ts';
import { sharedBrokers } from '../../testing/stack/shared.ts';
import type { LogBatch } from '../event-log.ts';
import type { LogRecord } from '../log-record.ts';

let brokers: string;
beforeAll(async () => {
  brokers = await sharedBrokers();
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function topicOf(partitions: number, settings: Readonly<Record<string, string>> = {}): Promise<KafkaLogHarness> {
  const harness = await makeKafkaLog(brokers, { partitions, settings });
  closing.push(() => harness.dispose());
  return harness;
}

/** The client library's producer: another program's. */
function otherProducer(options: { readonly transactionalId?: string } = {}) {
  const producer = new Producer<Buffer, Buffer, string, string>({
    clientId: 'other',
    bootstrapBrokers: [brokers],
    ...(options.transactionalId === undefined ? {} : { idempotent: true, ...options }),
    serializers: { headerKey: (text) => Buffer.from(text ?? ''), headerValue: (text) => Buffer.from(text ?? '') },
  });
  closing.push(() => producer.close(true));
  return producer;
}

const texts = (records: readonly LogRecord[]) => records.map(textOf);

describe('records of other programs', () => {
  it('of finished transactions are read, of aborted ones not, and markers are no data', async () => {
    const { topic, open } = await topicOf(1);
    const log = await open();
    const producer = otherProducer({ transactionalId: `transactions-${topic}` });
    const send = (text: string) => ({ messages: [{ topic, partition: 0, value: Buffer.from(text) }] });
    for (const [text, outcome] of [
      ['committed 1', 'commit'],
      ['aborted 1', 'abort'],
      ['aborted 2', 'abort'],
      ['committed 2', 'commit'],
      ['aborted 3', 'abort'],
      ['committed 3', 'commit'],
    ] as const) {
      const transaction = await producer.beginTransaction();
      await transaction.send(send(text));
      if (outcome === 'abort') await log.append(recordsFor(0, [`ours beside ${text}`]));
      await transaction[outcome]();
    }
    const { stream } = await openStream(log);
    const records = await takeRecords(stream, 0, 6);
    expect(texts(records)).toEqual([
      'committed 1',
      'ours beside aborted 1',
      'ours beside aborted 2',
      'committed 2',
      'ours beside aborted 3',
      'committed 3',
    ]);
    // The last thing on the log is a marker: an end that no record reaches.
    const last = records.at(-1)!.offset;
    const { end } = await boundsOf(log, 0);
    expect(end).toBe(last + 2);
    expect(await stream.next(0, plentiful, 300, never)).toMatchObject({ records: [], end });

    const data = new Set(records.map(({ offset }) => offset));
    for (let offset = 0; offset < end; offset += 1) {
      const found = await log.recordAt(0, offset);
      expect(found?.offset ?? null, `offset ${offset}`).toBe(data.has(offset) ? offset : null);
      const kind = data.has(offset) ? 'data' : 'no_data';
      expect(await log.examineGap(0, offset, offset + 1), `offset ${offset}`).toEqual({ kind });
    }
    expect(await log.examineGap(0, last + 1, end)).toEqual({ kind: 'no_data' });
  });

  it('of an open transaction hold up what comes behind them, and lose nothing', async () => {
    const { topic, open } = await topicOf(1);
    const log = await open();
    const { stream } = await openStream(log);
    const producer = otherProducer({ transactionalId: `open-${topic}` });
    await log.append(recordsFor(0, ['before']));
    const transaction = await producer.beginTransaction();
    await transaction.send({ messages: [{ topic, partition: 0, value: Buffer.from('inside') }] });
    await log.append(recordsFor(0, ['behind']));
    expect(texts(await takeRecords(stream, 0, 1))).toEqual(['before']);
    expect((await boundsOf(log, 0)).end).toBe(1);
    const behind = takeRecords(stream, 0, 2);
    await transaction.commit();
    expect(texts(await behind)).toEqual(['inside', 'behind']);
  });

  it('are read with any compression, key and headers, and without a value', async () => {
    const { topic, open } = await topicOf(1);
    const log = await open();
    const producer = otherProducer();
    const headers = { reason: 'poison' };
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const messages = numbered(compression, 20).map((text) => {
        return { topic, partition: 0, key: Buffer.from('key'), value: Buffer.from(text), headers };
      });
      await producer.send({ messages, compression, acks: -1 });
    }
    await producer.send({ messages: [{ topic, partition: 0, key: Buffer.from('tombstone') }], acks: -1 });
    // Begun inside of a batch, also of a compressed one.
    const { stream } = await openStream(log, { 0: 25 });
    const records = await takeRecords(stream, 0, 76);
    expect(texts(records)).toEqual([
      ...numbered('gzip', 20).slice(5),
      ...numbered('snappy', 20),
      ...numbered('lz4', 20),
      ...numbered('zstd', 20),
      '',
    ]);
    expect(textOf(await log.recordAt(0, 33))).toBe('gzip-13');
  });

  it('have the time that the topic says: the producer or the broker', async () => {
    const { topic, open, admin } = await topicOf(1, { 'message.timestamp.type': 'CreateTime' });
    const log = await open();
    const producer = otherProducer();
    const claimed = Date.UTC(2001, 1, 3);
    const send = () => {
      const message = { topic, partition: 0, value: Buffer.from('x'), timestamp: BigInt(claimed) };
      return producer.send({ messages: [message], acks: -1 });
    };
    await send();
    expect((await log.recordAt(0, 0))?.timestamp).toBe(claimed);
    await changeTopic(admin, topic, { 'message.timestamp.type': 'LogAppendTime' });
    const before = Date.now();
    await send();
    expect((await log.recordAt(0, 1))?.timestamp).toBeGreaterThanOrEqual(before);
  });
});

describe('appending', () => {
  it('cuts what goes to one partition to what the topic takes', async () => {
    const { open } = await topicOf(2, { 'max.message.bytes': '20000' });
    const log = await open();
    const records = Array.from({ length: 200 }, (_, nth) => ({
      partition: nth % 3 === 0 ? 1 : 0,
      value: Buffer.alloc(1_000, `${nth};`),
    }));
    const positions = await log.append(records);
    const { stream } = await openStream(log);
    for (const partition of [0, 1]) {
      const expected = records.filter((record) => record.partition === partition).map(({ value }) => value.toString());
      expect(texts(await takeRecords(stream, partition, expected.length))).toEqual(expected);
      const offsets = positions.filter((position) => position.partition === partition).map(({ offset }) => offset);
      expect(offsets).toEqual(expected.map((_, nth) => nth));
    }
  });

  it('refuses a record that is larger than the topic takes, and goes on', async () => {
    const { open } = await topicOf(1, { 'max.message.bytes': '20000' });
    const log = await open();
    await expect(log.append([{ partition: 0, value: Buffer.alloc(30_000) }])).rejects.toMatchObject({
      name: 'UnavailableError',
      code: 'log_refused',
      message: expect.stringContaining('MESSAGE_TOO_LARGE'),
    });
    expect(await log.append(recordsFor(0, ['small']))).toEqual([{ partition: 0, offset: 0 }]);
  });

  it('uses one lane for all partitions that one broker leads', async () => {
    const { open } = await topicOf(5);
    const log = await open();
    expect(log.lanes).toBe(1);
    expect([0, 1, 2, 3, 4].map((partition) => log.laneOf(partition))).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('a topic', () => {
  it('that is not there is missed at once, with what to do', async () => {
    const { open } = await topicOf(1);
    await expect(open({ topic: 'no-such-topic' })).rejects.toMatchObject({
      name: 'StartupError',
      message: 'the topic no-such-topic does not exist: make it with `esp topics create`',
    });
  });

  it('that is given more partitions shows them to who appends, to who asks, and to the group', async () => {
    const { topic, open, admin } = await topicOf(2);
    const log = await open({ topicRefreshMs: 50 });
    const reader = await open({ topicRefreshMs: 50 });
    const consumer = await reader.join();
    const assignments = consumer.assignments()[Symbol.asyncIterator]();
    const first = (await assignments.next()).value!;
    const stream = await first.open(new Map([[0, 0]]));
    expect(first.partitions).toEqual([0, 1]);
    await admin.createPartitions({ topics: [{ name: topic, count: 4 }] });
    await expect.poll(() => log.partitions).toBe(4);
    const [position] = await log.append(recordsFor(3, ['in the new one']));
    expect(position).toEqual({ partition: 3, offset: 0 });
    expect(log.laneOf(3)).toBe(0);

    const ended = stream.next(0, plentiful, longMs, first.ended).catch((error: Error) => error);
    expect(await ended).toMatchObject({ message: expect.stringContaining('4 partitions instead of 2') });
    await stream.close();
    const second = (await assignments.next()).value!;
    expect(second.partitions).toEqual([0, 1, 2, 3]);
    const again = await second.open(new Map([[3, 0]]));
    expect(texts(await takeRecords(again, 3, 1))).toEqual(['in the new one']);
    expect((await log.describe()).partitions).toHaveLength(4);
  });

  it('that is deleted and made anew is another log: the stream says so, and reads nothing of it', async () => {
    const { topic, open, admin } = await topicOf(1);
    const log = await open();
    const { logId } = await log.describe();
    await log.append(recordsFor(0, numbered('old', 5)));
    const { stream, assignment } = await openStream(log);
    await takeRecords(stream, 0, 5);
    await admin.deleteTopics({ topics: [topic] });
    await expect(stream.next(0, plentiful, longMs, never)).rejects.toMatchObject({
      name: 'UnavailableError',
      code: expect.stringMatching(/^log_(missing|replaced)$/),
    });
    await stream.close();
    await vi.waitFor(() => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }), longMs);
    await vi.waitFor(async () => expect((await log.describe()).logId).not.toBe(logId));
    await log.append(recordsFor(0, ['new']));
    expect(await boundsOf(log, 0)).toEqual({ start: 0, end: 1 });
    // Whoever checks the log again and takes it may go on, in the same process.
    const again = await assignment.open(new Map([[0, 0]]));
    expect(texts(await takeRecords(again, 0, 1))).toEqual(['new']);
  });
});

describe('a stream', () => {
  it('has partitions that do not wait for one another', async () => {
    const { open } = await topicOf(2);
    const log = await open();
    const value = Buffer.alloc(100_000, 'x');
    for (let call = 0; call < 24; call += 1) {
      await log.append(Array.from({ length: 20 }, (_, nth) => ({ partition: nth % 2, value })));
    }
    const { stream } = await openStream(log);
    // Nobody reads the other one meanwhile: it holds 24 MB.
    expect(await takeRecords(stream, 1, 240)).toHaveLength(240);
    const records = await takeRecords(stream, 0, 240);
    expect(records.map(({ offset }) => offset)).toEqual(Array.from({ length: 240 }, (_, nth) => nth));
    expect(records.every((record) => value.equals(record.value))).toBe(true);
  });

  it('opened beyond the end says that the log is behind', async () => {
    const { open } = await topicOf(1);
    const log = await open();
    await log.append(recordsFor(0, ['one']));
    const { stream } = await openStream(log, { 0: 7 });
    await expect(stream.next(0, plentiful, longMs, never)).rejects.toMatchObject({ code: 'log_behind' });
  });
});

describe('acknowledging', () => {
  it("shows in the group's offsets, for tools that look at lag", async () => {
    const { open, admin, group, topic } = await topicOf(2);
    const log = await open();
    await log.append(recordsFor(1, numbered('x', 10)));
    const { stream, consumer } = await openStream(log);
    let nextOffset = 0;
    while (nextOffset < 10) {
      const batch = await stream.next(1, { ...plentiful, recordsMax: 3 }, longMs, never);
      nextOffset = batch.records.at(-1)!.offset + 1;
      batch.acknowledge(nextOffset);
      batch.acknowledge(1);
    }
    // What is left is committed when the member leaves.
    await consumer.close();
    const [committed] = await admin.listConsumerGroupOffsets({ groups: [group] });
    const found = committed!.topics.find(({ name }) => name === topic)!.partitions;
    expect(found.map(({ partitionIndex, committedOffset }) => [partitionIndex, committedOffset])).toEqual([[1, 10n]]);
  });

  it('gives memory back, and none of a partition that was fetched along with it', async () => {
    const { open } = await topicOf(2);
    const log = await open();
    const value = Buffer.alloc(100_000, 'x');
    await log.append(Array.from({ length: 40 }, (_, nth) => ({ partition: nth % 2, value })));
    const { stream } = await openStream(log);
    const batches: LogBatch[][] = [[], []];
    for (const partition of [0, 1]) {
      for (let taken = 0; taken < 20; taken += batches[partition]!.at(-1)!.records.length) {
        batches[partition]!.push(await stream.next(partition, plentiful, longMs, never));
      }
    }
    const isThere = (partition: number) =>
      batches[partition]!.flatMap(({ records }) => records.map((record) => value.equals(record.value)));
    for (const batch of batches[0]!) {
      batch.acknowledge(20);
      batch.acknowledge(20);
    }
    expect(isThere(1)).toEqual(Array.from({ length: 20 }, () => true));
    for (const batch of batches[1]!) batch.acknowledge(20);
    const left = batches.flat().flatMap(({ records }) => records.map(({ bytes }) => bytes.length));
    expect(left).toEqual(Array.from({ length: 40 }, () => 0));
  });

  it('by a member that is alone takes nothing from the next one', async () => {
    const { open } = await topicOf(1);
    const log = await open();
    await log.append(recordsFor(0, numbered('x', 3)));
    const { stream, consumer } = await openStream(log);
    (await stream.next(0, plentiful, longMs, never)).acknowledge(3);
    await consumer.close();
    // Where to read is what the stream was opened at, never the group's offsets.
    const { assignment } = await joinGroup(log);
    expect(texts(await takeRecords(await assignment.open(new Map([[0, 1]])), 0, 2))).toEqual(['x-1', 'x-2']);
  });
});
