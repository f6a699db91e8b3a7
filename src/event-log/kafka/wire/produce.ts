import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { protocol } from '../protocol/protocol.ts';
import type { ProducedPartition } from '../protocol/record-messages.ts';
import type { Topic } from '../topics/topic.ts';
import type { Brokers } from './brokers.ts';
import { encodeBatch, encodedRecordBytes, type RecordToEncode } from './encode-batch.ts';
import { codes, isPassing, refused, unreachable } from './errors.ts';
import { pause, remainingMs, retryPauseMs } from './wait.ts';

/**
 * Writes records to partitions of a topic and answers when every replica that has to has them (acks=all).
 *
 * A produce request holds one batch for a partition, and a topic takes no batch beyond its size; so each partition's
 * records are cut into batches, and those go in rounds: of every partition the next batch, in one request to each
 * leader, all at once. A batch that failed for a passing reason goes again in the next round, so a partition's batches
 * never overtake one another. What was sent before an answer was lost may then be there twice, which the events' ids
 * make harmless.
 */
export interface Producer {
  /**
   * By partition, the records' offsets in the order given.
   * @throws UnavailableError when not all of them are known to be there by the deadline
   */
  produce(
    records: ReadonlyMap<number, readonly RecordToEncode[]>,
    deadlineAt: number,
  ): Promise<ReadonlyMap<number, readonly number[]>>;
}

/** Every replica that is in sync. */
const acksOfAll = -1;

interface Pending {
  readonly partition: number;
  /** What is not yet there, in order. */
  rest: readonly RecordToEncode[];
  /** How many of `rest` go next. */
  count: number;
  readonly offsets: number[];
}

/** @param shrink what goes in the place of a record that the topic does not take for its size; null: the call fails */
export function createProducer(
  brokers: Brokers,
  topic: Topic,
  shrink: (record: RecordToEncode) => RecordToEncode | null = () => null,
): Producer {
  /** Made smaller where the topic turns out to take less. */
  let batchBytesMax: number = limits.kafkaBatchBytesMax;

  async function sendRound(waiting: readonly Pending[], deadlineAt: number): Promise<UnavailableError | null> {
    const byLeader = new Map<number, Pending[]>();
    for (const pending of waiting) {
      pending.count = countFor(pending.rest, batchBytesMax);
      const nodeId = topic.view().leaders[pending.partition]?.nodeId ?? -1;
      byLeader.set(nodeId, [...(byLeader.get(nodeId) ?? []), pending]);
    }
    const failures = await Promise.all([...byLeader].map(([nodeId, group]) => sendGroup(nodeId, group, deadlineAt)));
    return failures.find((failure) => failure !== null) ?? null;
  }

  /** Null: all of it is there. Throws what will not pass. */
  async function sendGroup(
    nodeId: number,
    group: readonly Pending[],
    deadlineAt: number,
  ): Promise<UnavailableError | null> {
    if (nodeId < 0) return new UnavailableError('log_leaderless', `a partition of ${topic.name} has no leader now`);
    const now = Date.now();
    const partitions = group.map(({ partition, rest, count }) => {
      return { index: partition, records: encodeBatch(rest.slice(0, count), now) };
    });
    const leftMs = remainingMs(deadlineAt);
    const request = {
      transactionalId: null,
      acks: acksOfAll,
      timeoutMs: Math.ceil(leftMs),
      topics: [{ name: topic.name, partitions }],
    };
    let answers: Map<number, ProducedPartition>;
    try {
      const answer = await brokers.link('append', nodeId).call(protocol.produce, request, leftMs);
      answers = new Map(answer.topics.flatMap((one) => one.partitions).map((part) => [part.index, part]));
    } catch (error) {
      const failure = unreachable(`append to ${topic.name}`, error);
      if (failure.code === 'log_closed' || failure.code === 'log_unsupported') throw failure;
      return failure;
    }
    let failure: UnavailableError | null = null;
    for (const pending of group) failure = settle(pending, answers.get(pending.partition)) ?? failure;
    return failure;
  }

  function settle(pending: Pending, answer: ProducedPartition | undefined): UnavailableError | null {
    const doing = `append to ${topic.name}/${pending.partition}`;
    if (answer === undefined) return new UnavailableError('log_refused', `${doing}: Kafka says nothing of it`);
    if (answer.errorCode === 0) {
      const base = Number(answer.baseOffset);
      for (let nth = 0; nth < pending.count; nth += 1) pending.offsets.push(base + nth);
      pending.rest = pending.rest.slice(pending.count);
      return null;
    }
    const failure = refused(doing, answer.errorCode);
    const isTooLarge = answer.errorCode === codes.messageTooLarge || answer.errorCode === codes.recordListTooLarge;
    if (isTooLarge) makeSmaller(pending, failure);
    else if (!isPassing(answer.errorCode)) throw failure;
    return failure;
  }

  function makeSmaller(pending: Pending, failure: UnavailableError): void {
    if (pending.count > 1) {
      batchBytesMax = Math.max(1, Math.floor(bytesOf(pending) / 2));
      return;
    }
    const smaller = shrink(pending.rest[0]!);
    if (smaller === null) throw failure;
    pending.rest = [smaller, ...pending.rest.slice(1)];
  }

  return {
    async produce(records, deadlineAt) {
      const all = [...records].map(([partition, rest]): Pending => ({ partition, rest, count: 0, offsets: [] }));
      for (let failed = 0; ; ) {
        const waiting = all.filter(({ rest }) => rest.length > 0);
        if (waiting.length === 0) break;
        const failure = await sendRound(waiting, deadlineAt);
        if (failure === null) continue;
        const pauseMs = retryPauseMs(failed);
        failed += 1;
        if (performance.now() + pauseMs >= deadlineAt) throw failure;
        await pause(pauseMs);
        await topic.refresh(deadlineAt).catch(() => undefined);
      }
      return new Map(all.map(({ partition, offsets }) => [partition, offsets]));
    },
  };
}

function countFor(records: readonly RecordToEncode[], bytesMax: number): number {
  let bytes = 0;
  let count = 0;
  for (const record of records) {
    bytes += encodedRecordBytes(record);
    if (count > 0 && bytes > bytesMax) break;
    count += 1;
  }
  return count;
}

function bytesOf({ rest, count }: Pending): number {
  let bytes = 0;
  for (const record of rest.slice(0, count)) bytes += encodedRecordBytes(record);
  return bytes;
}
