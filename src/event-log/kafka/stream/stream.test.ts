import { expect, it } from 'vitest';
import { asBuffer } from '../../../domain/utf8.ts';
import type { KafkaQuestions } from '../questions.ts';
import type { Topic } from '../topics/topic.ts';
import type { Brokers } from '../wire/brokers.ts';
import { checksum, encodeBatch } from '../wire/encode-batch.ts';
import { createKafkaStream } from './stream.ts';

const plentiful = { recordsMax: 1_000, bytesMax: 10_000_000 };
const never = new AbortController().signal;

function batch(offset: number, count: number, attributes = 0): Buffer {
  const values = Array.from({ length: count }, () => ({ value: Buffer.alloc(5_000, 'x') }));
  const bytes = encodeBatch(values, 1_000);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  bytes.writeInt16BE(attributes, 21);
  bytes.writeUInt32BE(checksum(bytes.subarray(21)), 17);
  return bytes;
}

/** A stream of one partition whose broker answers once, with these batches. */
function streamOf(batches: readonly Buffer[]) {
  // Of their own, as an answer is, and not of Node's pool.
  const bytes = new Uint8Array(Buffer.concat(batches));
  const fetched = { partition: 0, errorCode: 0, lastStableOffset: 100n, aborted: [], records: asBuffer(bytes) };
  const answers = [{ errorCode: 0, topics: [{ partitions: [fetched] }] }];
  const call = () => answers.shift() ?? new Promise(() => undefined);
  const told: number[] = [];
  const ended = new AbortController();
  const stream = createKafkaStream({
    brokers: { endpointOf: () => ({}), openLink: () => ({ call, close: () => undefined }) } as unknown as Brokers,
    topic: { name: 'events', view: () => ({ id: 'id', leaders: [{ nodeId: 1, epoch: 1 }] }) } as unknown as Topic,
    questions: {} as KafkaQuestions,
    offsets: new Map([[0, 0]]),
    ended: ended.signal,
    acknowledge: (_, nextOffset) => told.push(nextOffset),
  });
  return { stream, bytes, told };
}

it('gives the memory of what was fetched back when its last record is acknowledged, and not before', async () => {
  const { stream, bytes, told } = streamOf([batch(0, 3)]);
  const first = await stream.next(0, { ...plentiful, recordsMax: 2 }, 60_000, never);
  first.acknowledge(2);
  const second = await stream.next(0, plentiful, 60_000, never);
  second.acknowledge(2);
  expect(bytes.length).toBeGreaterThan(15_000);
  second.acknowledge(3);
  expect(bytes).toHaveLength(0);
  second.acknowledge(3);
  expect(told).toEqual([2, 2, 3, 3]);
  await stream.close();
});

it('does so where something stands behind the last record that is none', async () => {
  const marker = batch(3, 1, (1 << 4) | (1 << 5));
  const { stream, bytes } = streamOf([batch(0, 3), marker]);
  const { records, acknowledge } = await stream.next(0, plentiful, 60_000, never);
  expect(records.map(({ offset }) => offset)).toEqual([0, 1, 2]);
  acknowledge(3);
  expect(bytes).toHaveLength(0);
  await stream.close();
});
