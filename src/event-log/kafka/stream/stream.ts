import { UnavailableError } from '../../../domain/failure.ts';
import { limits as allLimits } from '../../../domain/limits.ts';
import type { LogBatch, LogStream } from '../../event-log.ts';
import { createStreamCalls, throwIfAny } from '../../stream-calls.ts';
import type { KafkaQuestions } from '../questions.ts';
import type { Topic } from '../topics/topic.ts';
import type { Brokers } from '../wire/brokers.ts';
import { createFeed, type Feed } from './feed.ts';
import { createFetcher } from './fetcher.ts';

export interface KafkaStreamOptions {
  readonly brokers: Brokers;
  readonly topic: Topic;
  readonly questions: Pick<KafkaQuestions, 'bounds'>;
  readonly offsets: ReadonlyMap<number, number>;
  /** The assignment's. */
  readonly ended: AbortSignal;
  readonly acknowledge: (partition: number, nextOffset: number) => void;
}

interface Reading {
  readonly feed: Feed;
  /** When somebody asked for records last, by performance.now(); `whileAsked` while that call is under way. */
  askedAt: number;
}

const whileAsked = Number.POSITIVE_INFINITY;

/** A partition that nobody has asked for in this time is halted or has no end of trouble: nothing is hurried for it. */
const readLatelyMs = 1_000;

/** Reads ahead, each partition up to its share of limits.kafkaStreamBytesMax. */
export function createKafkaStream(options: KafkaStreamOptions): LogStream {
  const { offsets, ended } = options;
  const share = Math.floor(allLimits.kafkaStreamBytesMax / Math.max(1, offsets.size));
  const feedBytesMax = Math.min(allLimits.kafkaPartitionBytesMax, Math.max(allLimits.kafkaPartitionBytesMin, share));
  const readings = new Map<number, Reading>();
  for (const [partition, offset] of offsets) {
    const feed = createFeed(partition, offset, feedBytesMax);
    readings.set(partition, { feed, askedAt: performance.now() });
  }
  const fetcher = createFetcher({
    brokers: options.brokers,
    topic: options.topic,
    bounds: options.questions.bounds,
    feeds: [...readings.values()].map(({ feed }) => feed),
    partitionBytesMax: Math.min(allLimits.kafkaFetchPartitionBytesMax, feedBytesMax),
    isRead: ({ partition }) => performance.now() - readings.get(partition)!.askedAt < readLatelyMs,
  });
  let isClosed = false;

  function over(): Error | null {
    if (isClosed) return new UnavailableError('stream_closed', 'the stream is closed');
    return ended.aborted ? (ended.reason as Error) : null;
  }

  /** Whoever waits finds out why it is over. */
  function stop(): void {
    fetcher.close();
    ended.removeEventListener('abort', stop);
    for (const { feed } of readings.values()) feed.wake();
  }

  /** False where nothing came in time. */
  async function untilAnything(feed: Feed, idleMs: number, signal: AbortSignal): Promise<boolean> {
    const isMet = () => !feed.isEmpty() || feed.failure() !== null || over() !== null;
    const wasMet = await feed.until(isMet, idleMs, signal);
    throwIfAny(over());
    return wasMet;
  }

  const call = createStreamCalls(readings, over);

  function readFrom<Result>(partition: number, signal: AbortSignal, work: (feed: Feed) => Promise<Result>) {
    return call(partition, signal, async (reading) => {
      reading.askedAt = whileAsked;
      try {
        return await work(reading.feed);
      } finally {
        reading.askedAt = performance.now();
      }
    });
  }

  ended.addEventListener('abort', stop);
  if (ended.aborted) stop();
  else fetcher.pump();
  return {
    untilRecords: (partition, idleMs, signal) =>
      readFrom(partition, signal, (feed) => untilAnything(feed, idleMs, signal)),
    next: (partition, limits, idleMs, signal): Promise<LogBatch> =>
      readFrom(partition, signal, async (feed) => {
        await untilAnything(feed, idleMs, signal);
        if (feed.isEmpty()) throwIfAny(feed.failure());
        const { records, emptied } = feed.take(limits);
        fetcher.pump();
        const last = records.at(-1)?.offset ?? Number.NEGATIVE_INFINITY;
        let held = emptied;
        const acknowledge = (nextOffset: number) => {
          options.acknowledge(partition, nextOffset);
          if (nextOffset <= last) return;
          for (const { release } of held) release();
          held = [];
        };
        return { partition, records, end: feed.end(), acknowledge };
      }),
    async close() {
      if (isClosed) return;
      isClosed = true;
      stop();
    },
  };
}
