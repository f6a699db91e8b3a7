import { limits } from '../../domain/limits.ts';
import type { AppendedAt, LogAppender, RecordToAppend } from '../event-log.ts';
import type { Topic } from './topics/topic.ts';
import type { Brokers } from './wire/brokers.ts';
import { assertPartition, closedError } from './wire/errors.ts';
import { createProducer } from './wire/produce.ts';

export interface KafkaAppender extends Omit<LogAppender, 'trim'> {
  /** Waits for the appends that are under way; there are no others after it. */
  end(): Promise<void>;
}

/**
 * One lane for each broker that leads a partition when the log is opened. A broker answers one request of a connection after
 * another, so a second one in flight would only make the groups smaller; and one lane for all brokers would have every append
 * wait for the slowest. Where leaders move later, an append goes to several brokers, which costs time and no order.
 */
export function createKafkaAppender(brokers: Brokers, topic: Topic): KafkaAppender {
  const producer = createProducer(brokers, topic);
  const leaders = topic.view().leaders.map(({ nodeId }) => nodeId);
  const lanes = [...new Set(leaders)].sort((a, b) => a - b);
  const underWay = new Set<Promise<unknown>>();
  let isClosed = false;

  async function append(records: readonly RecordToAppend[]): Promise<readonly AppendedAt[]> {
    const byPartition = new Map<number, RecordToAppend[]>();
    for (const record of records) {
      const group = byPartition.get(record.partition);
      if (group === undefined) byPartition.set(record.partition, [record]);
      else group.push(record);
    }
    const offsets = await producer.produce(byPartition, performance.now() + limits.kafkaAppendTimeoutMs);
    const taken = new Map<number, number>();
    return records.map(({ partition }) => {
      const nth = taken.get(partition) ?? 0;
      taken.set(partition, nth + 1);
      return { partition, offset: offsets.get(partition)![nth]! };
    });
  }

  return {
    get partitions() {
      return topic.view().leaders.length;
    },
    lanes: lanes.length,
    laneOf(partition) {
      const leader = leaders[partition];
      return leader === undefined ? partition % lanes.length : lanes.indexOf(leader);
    },
    async append(records) {
      if (isClosed) throw closedError();
      for (const { partition } of records) assertPartition(partition, topic.view().leaders.length);
      const appending = append(records);
      underWay.add(appending);
      return appending.finally(() => underWay.delete(appending));
    },
    async end() {
      isClosed = true;
      await Promise.allSettled(underWay);
    },
  };
}
