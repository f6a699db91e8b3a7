import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { GapFinding, LogDescription, LogReader } from '../event-log.ts';
import type { LogRecord } from '../log-record.ts';
import type { ValueOf } from './protocol/codec.ts';
import { protocol } from './protocol/protocol.ts';
import type { Leader, Topic, TopicView } from './topics/topic.ts';
import type { Brokers } from './wire/brokers.ts';
import { assertOffset, assertPartition, codes, refused } from './wire/errors.ts';
import { asConsumer, fetchRequest, readCommitted } from './wire/fetch-request.ts';
import { type Fetched, readFetched } from './wire/fetched.ts';
import { remainingMs } from './wire/wait.ts';

const earliest = -2n;
const latest = -1n;
/** For one record: of the partition that is asked for, the broker sends a whole batch in any case. */
const oneBatchBytes = 1;

export type KafkaQuestions = Pick<LogReader, 'describe' | 'recordAt' | 'examineGap'> & {
  trim(partition: number, below: number): Promise<void>;
  /** @throws UnavailableError */
  bounds(partition: number): Promise<{ readonly start: number; readonly end: number }>;
};

/**
 * What is asked about the log beside reading it in order. Each is answered afresh, within limits.kafkaCallTimeoutMs.
 */
export function createKafkaQuestions(brokers: Brokers, topic: Topic): KafkaQuestions {
  const deadline = () => performance.now() + limits.kafkaCallTimeoutMs;

  async function describe(): Promise<LogDescription> {
    const deadlineAt = deadline();
    const view = await topic.refresh(deadlineAt);
    const [starts, ends] = await offsetsOf(view, deadlineAt);
    const partitions = view.leaders.map((_, partition) => {
      return { partition, start: starts.get(partition)!, end: ends.get(partition)! };
    });
    return { logId: view.id, partitions };
  }

  /**
   * Over one connection to each leader, which answers in order, so the starts first: as both only grow, no start is then
   * beyond its end.
   */
  async function offsetsOf(view: TopicView, deadlineAt: number): Promise<[Map<number, number>, Map<number, number>]> {
    try {
      return await Promise.all([listOffsets(view, earliest, deadlineAt), listOffsets(view, latest, deadlineAt)]);
    } catch (error) {
      if (!(error instanceof UnavailableError) || view.leaders.length === 0) throw error;
      // A leader has moved. One partition after another finds each where it is now.
      const found: [Map<number, number>, Map<number, number>] = [new Map(), new Map()];
      for (const partition of view.leaders.keys()) {
        const { start, end } = await boundsBy(partition, deadlineAt);
        found[0].set(partition, start);
        found[1].set(partition, end);
      }
      return found;
    }
  }

  async function listOffsets(view: TopicView, which: bigint, deadlineAt: number): Promise<Map<number, number>> {
    const byLeader = Map.groupBy(view.leaders.entries(), ([, leader]) => leader.nodeId);
    const found = await Promise.all(
      [...byLeader].map(async ([nodeId, group]) => {
        const link = brokers.link('ask', nodeId);
        const request = offsetsRequest(topic.name, group, which);
        const answer = await link.call(protocol.listOffsets, request, remainingMs(deadlineAt));
        return answer.topics.flatMap(({ partitions }) => partitions);
      }),
    );
    return new Map(
      found.flat().map(({ partitionIndex, errorCode, offset }) => {
        if (errorCode !== 0) throw refused(`look at ${topic.name}/${partitionIndex}`, errorCode);
        return [partitionIndex, Number(offset)];
      }),
    );
  }

  async function boundsBy(partition: number, deadlineAt: number): Promise<{ start: number; end: number }> {
    const ask = (which: bigint) =>
      topic.onLeader(partition, deadlineAt, async (link, leader) => {
        const request = offsetsRequest(topic.name, [[partition, leader]], which);
        const answer = await link.call(protocol.listOffsets, request, remainingMs(deadlineAt));
        const found = answer.topics[0]?.partitions[0];
        if (found === undefined) throw new UnavailableError('log_refused', 'Kafka answers no offset');
        return found.errorCode === 0 ? { value: Number(found.offset) } : found;
      });
    const start = await ask(earliest);
    return { start, end: await ask(latest) };
  }

  /** One fetch. Null: nothing is kept at this offset, be it below the start or beyond the end. */
  function fetchAt(partition: number, offset: number, bytesMax: number, deadlineAt: number): Promise<Fetched | null> {
    return topic.onLeader(partition, deadlineAt, async (link, leader, view) => {
      const wish = { partition, offset, leaderEpoch: leader.epoch, bytesMax };
      const request = fetchRequest(view.id, [wish], 0, bytesMax);
      const answer = await link.call(protocol.fetch, request, remainingMs(deadlineAt));
      if (answer.errorCode !== 0) return answer;
      const fetched = answer.topics[0]?.partitions[0];
      if (fetched === undefined) throw new UnavailableError('log_refused', 'Kafka answers no partition');
      if (fetched.errorCode === codes.offsetOutOfRange) return { value: null };
      return fetched.errorCode === 0 ? { value: readFetched(fetched, offset) } : fetched;
    });
  }

  async function recordAt(partition: number, offset: number): Promise<LogRecord | null> {
    assertPartition(partition, topic.view().leaders.length);
    assertOffset(offset);
    const fetched = await fetchAt(partition, offset, oneBatchBytes, deadline());
    const first = fetched?.records[0]?.take();
    if (first?.offset === offset) return first;
    // A batch was there, and has no data at this offset.
    if (fetched !== null && fetched.nextOffset > offset) return null;
    const { start, end } = await boundsBy(partition, deadline());
    if (start <= offset && offset < end) throw behind(partition, offset);
    return null;
  }

  async function examineGap(partition: number, from: number, to: number): Promise<GapFinding> {
    assertPartition(partition, topic.view().leaders.length);
    for (let at = from; at < to; ) {
      // A time for each fetch, none for all: an aborted transaction may be of any size, and each fetch gets further.
      const fetched = await fetchAt(partition, at, limits.kafkaFetchPartitionBytesMax, deadline());
      const first = fetched?.records[0]?.take();
      if (first !== undefined) return { kind: first.offset < to ? 'data' : 'no_data' };
      if (fetched === null || fetched.nextOffset === at) {
        const { start } = await boundsBy(partition, deadline());
        if (start > from) return { kind: 'trimmed', start };
        throw behind(partition, at);
      }
      at = fetched.nextOffset;
    }
    return { kind: 'no_data' };
  }

  /** A leader that was just chosen may not know yet how far the records are safe. That is no finding about them. */
  function behind(partition: number, offset: number): UnavailableError {
    return new UnavailableError(
      'log_behind',
      `${topic.name}/${partition} does not show what is at offset ${offset} now`,
    );
  }

  return {
    describe,
    recordAt,
    examineGap,
    bounds: (partition) => boundsBy(partition, deadline()),
    async trim(partition, below) {
      assertPartition(partition, topic.view().leaders.length);
      const deadlineAt = deadline();
      const { start, end } = await boundsBy(partition, deadlineAt);
      const offset = Math.min(below, end);
      if (offset <= start) return;
      const topics = [{ name: topic.name, partitions: [{ partitionIndex: partition, offset: BigInt(offset) }] }];
      await topic.onLeader(partition, deadlineAt, async (link) => {
        const leftMs = remainingMs(deadlineAt);
        const answer = await link.call(protocol.deleteRecords, { topics, timeoutMs: Math.ceil(leftMs) }, leftMs);
        const errorCode = answer.topics[0]?.partitions[0]?.errorCode ?? 0;
        return errorCode === 0 ? { value: null } : { errorCode };
      });
    },
  };
}

function offsetsRequest(
  name: string,
  group: readonly (readonly [partition: number, leader: Leader])[],
  which: bigint,
): ValueOf<typeof protocol.listOffsets.request> {
  const partitions = group.map(([partitionIndex, { epoch }]) => {
    return { partitionIndex, currentLeaderEpoch: epoch, timestamp: which };
  });
  return { replicaId: asConsumer, isolationLevel: readCommitted, topics: [{ name, partitions }] };
}
