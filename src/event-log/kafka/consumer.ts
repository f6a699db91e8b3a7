import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { LogAssignment, LogConsumer, LogStream } from '../event-log.ts';
import type { Generation } from './group/generation.ts';
import type { GroupMember } from './group/member.ts';
import type { KafkaQuestions } from './questions.ts';
import { createOffsetMirror, type OffsetMirror } from './stream/mirror.ts';
import { createKafkaStream } from './stream/stream.ts';
import type { Topic } from './topics/topic.ts';
import type { Brokers } from './wire/brokers.ts';
import { assertOffset } from './wire/errors.ts';
import { notLongerThan } from './wire/wait.ts';

export interface KafkaConsumerOptions {
  readonly brokers: Brokers;
  readonly topic: Topic;
  readonly questions: Pick<KafkaQuestions, 'bounds'>;
  readonly member: GroupMember;
  readonly onClose: () => void;
}

/** What a member of the group is given, one assignment after another. */
export function createKafkaConsumer(options: KafkaConsumerOptions): LogConsumer {
  const { member } = options;
  const streams = new Set<LogStream>();
  const mirrors = new Set<OffsetMirror>();
  let wasGiven = false;
  let closing: Promise<void> | null = null;

  function assignmentOf(generation: Generation): LogAssignment {
    const { partitions, ended } = generation;
    let open: LogStream | null = null;
    return {
      partitions,
      ended,
      confirm: () => generation.confirm(),
      async open(offsets) {
        if (closing !== null) throw new UnavailableError('consumer_closed', 'the consumer has left the group');
        ended.throwIfAborted();
        if (open !== null) throw new Error('an assignment has one stream at a time');
        for (const [partition, offset] of offsets) {
          if (!partitions.includes(partition)) throw new RangeError(`partition ${partition} is not assigned`);
          assertOffset(offset);
        }
        const stream = openStream(generation, offsets, () => {
          if (open === stream) open = null;
        });
        open = stream;
        return stream;
      },
    };
  }

  /** A stream and the mirror of what is done; the member joins anew only when both have ended. */
  function openStream(generation: Generation, offsets: ReadonlyMap<number, number>, onClosed: () => void): LogStream {
    const mirror = createOffsetMirror((done) => generation.commit(done), limits.kafkaCommitEveryMs);
    const inner = createKafkaStream({
      ...options,
      offsets,
      ended: generation.ended,
      acknowledge: mirror.acknowledge,
    });
    const released = Promise.withResolvers<void>();
    generation.holdUntil(released.promise);
    const stream: LogStream = {
      untilRecords: inner.untilRecords,
      next: inner.next,
      async close() {
        if (!streams.delete(stream)) return;
        await inner.close();
        onClosed();
        // Nobody waits for the mirror but the member, before it joins anew or leaves.
        void mirror.close().finally(() => {
          mirrors.delete(mirror);
          released.resolve();
        });
      },
    };
    streams.add(stream);
    mirrors.add(mirror);
    return stream;
  }

  async function close(): Promise<void> {
    for (const stream of [...streams]) await stream.close();
    await notLongerThan(limits.kafkaGoodbyeMs, Promise.all([...mirrors].map((mirror) => mirror.close())));
    await member.leave();
    options.onClose();
  }

  return {
    async *assignments() {
      if (wasGiven) throw new Error('assignments() may be called once');
      wasGiven = true;
      for (let next = await member.nextGeneration(); next !== null; next = await member.nextGeneration()) {
        yield assignmentOf(next);
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
