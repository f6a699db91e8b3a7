import { limits } from '../../domain/limits.ts';
import { partitionOf } from '../../domain/partitioner.ts';
import { type FailedRecord, type FailedTopic, valueOmittedHeader } from '../failed-topic.ts';
import { openTopic } from './topics/topic.ts';
import { createBrokers } from './wire/brokers.ts';
import type { RecordToEncode } from './wire/encode-batch.ts';
import { atStart, closedError } from './wire/errors.ts';
import { createProducer } from './wire/produce.ts';
import type { KafkaClientSettings } from './wire/settings.ts';

export interface KafkaFailedTopicOptions extends KafkaClientSettings {
  /** It must be there: `esp topics create` makes it. */
  readonly topic: string;
}

/**
 * @throws StartupError where the topic is not there, or Kafka is too old or denies it
 * @throws UnavailableError where no broker answers
 */
export async function createKafkaFailedTopic(options: KafkaFailedTopicOptions): Promise<FailedTopic> {
  const brokers = createBrokers(options);
  const topic = await openTopic(brokers, options.topic).catch((error: unknown) => {
    brokers.close();
    throw atStart(error);
  });
  const producer = createProducer(brokers, topic, withoutValue);
  const underWay = new Set<Promise<unknown>>();
  let keyless = 0;
  let isClosed = false;

  async function publish(records: readonly FailedRecord[]): Promise<void> {
    const count = topic.view().leaders.length;
    const partitionFor = ({ key }: FailedRecord) => (key === null ? keyless++ % count : partitionOf(key, count));
    const byPartition = new Map<number, RecordToEncode[]>();
    for (const record of records) {
      const partition = partitionFor(record);
      const group = byPartition.get(partition);
      if (group === undefined) byPartition.set(partition, [encoded(record)]);
      else group.push(encoded(record));
    }
    await producer.produce(byPartition, performance.now() + limits.kafkaAppendTimeoutMs);
  }

  return {
    async publish(records) {
      if (isClosed) throw closedError();
      const publishing = publish(records);
      underWay.add(publishing);
      return publishing.finally(() => underWay.delete(publishing));
    },
    async close() {
      isClosed = true;
      await Promise.allSettled(underWay);
      brokers.close();
    },
  };
}

function encoded({ key, value, headers }: FailedRecord): RecordToEncode {
  return {
    key: key === null ? null : Buffer.from(key),
    value,
    headers: Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
  };
}

/** Null where it has no value to leave out. */
function withoutValue(record: RecordToEncode): RecordToEncode | null {
  if (record.value.length === 0) return null;
  const omitted = [Buffer.from(valueOmittedHeader), Buffer.from(String(record.value.length))] as const;
  return { ...record, value: Buffer.alloc(0), headers: [...(record.headers ?? []), omitted] };
}
