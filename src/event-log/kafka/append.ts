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
 * One lane for each broker that leads a partition when the log is opened. A broker answers one request of a connection
 * after another, so a second one in flight would only make the groups smaller; and one lane for all brokers would have
 * every append wait for the slowest. Where leaders move later, an append goes to several brokers, which costs time and
 * no order.
 */
export function createKafkaAppender(brokers: Brokers, topic: Topic): KafkaAppender {
  const producer = createProducer(brokers, topic);
  const leaders = topic.view().leaders.map(({ nodeId }) => nodeId);
  const lanes = [...new Set(leaders)].sort((a, b) => a - b);
  const underWay = new Set<Promise<unknown>>();
  let isClosed = false;

  async function append(records: readonly RecordToAppend[]): Promise<readonly AppendedAt[]> {
    const byPartition = new Map<number, RecordToAppend[]>();
    /** By partition; an array, since a look into a map for each of ten thousand records shows. */
    const groups: (RecordToAppend[] | undefined)[] = [];
    for (const record of records) {
      const group = groups[record.partition];
      if (group !== undefined) group.push(record);
      else {
        const first = [record];
        groups[record.partition] = first;
        byPartition.set(record.partition, first);
      }
    }
    const offsets = await producer.produce(byPartition, performance.now() + limits.kafkaAppendTimeoutMs);
    const ofPartition = groups.map((_, partition) => offsets.get(partition)!);
    const taken = groups.map(() => 0);
    return records.map(({ partition }) => ({ partition, offset: ofPartition[partition]![taken[partition]!++]! }));
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
      const { length } = topic.view().leaders;
      for (const { partition } of records) assertPartition(partition, length);
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
