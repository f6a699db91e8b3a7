import { DamagedError, UnavailableError } from '../../../domain/failure.ts';
import { giveBack } from '../../../domain/give-back.ts';
import { limits } from '../../../domain/limits.ts';
import { protocol } from '../protocol/protocol.ts';
import type { FetchedPartition } from '../protocol/record-messages.ts';
import type { Topic } from '../topics/topic.ts';
import type { Brokers } from '../wire/brokers.ts';
import { codes, isPassing, refused, unreachable } from '../wire/errors.ts';
import { fetchRequest } from '../wire/fetch-request.ts';
import { type Fetched, readFetched } from '../wire/fetched.ts';
import type { BrokerLink } from '../wire/link.ts';
import { pause, retryPauseMs } from '../wire/wait.ts';
import type { Feed } from './feed.ts';

/**
 * Keeps feeds filled: one fetch under way to each broker that leads a partition of them, for all those that have room.
 * A fetch waits at the broker while there is nothing new. Where a broker does not answer, or leads no longer, it looks
 * for the leaders anew and goes on; nothing is reported that mends itself.
 */
export interface Fetcher {
  /** Looks whether there is something to fetch: after a feed was taken from. */
  pump(): void;
  close(): void;
}

export interface FetcherOptions {
  readonly brokers: Brokers;
  readonly topic: Topic;
  readonly feeds: readonly Feed[];
  readonly bounds: (partition: number) => Promise<{ readonly start: number; readonly end: number }>;
  readonly partitionBytesMax: number;
  /** Whether somebody has asked for records of this partition lately. */
  readonly isRead: (feed: Feed) => boolean;
}

/** Beyond the time a fetch waits at the broker. */
const answerMs = limits.kafkaCallTimeoutMs;

export function createFetcher(options: FetcherOptions): Fetcher {
  const { brokers, topic } = options;
  /** The topic that the offsets are of. */
  const topicId = topic.view().id;
  const links = new Map<number, BrokerLink>();
  const busyNodes = new Set<number>();
  /** Feeds that are out, in a fetch or a question about their bounds. */
  const out = new Set<Feed>();
  /** Feeds that wait until the leaders have been looked at anew. */
  const troubled = new Set<Feed>();
  /** Least recently served first: an answer may be full before it comes to the last. */
  let order: readonly Feed[] = options.feeds;
  /**
   * By leader, attempts that went wrong since the last that did not: one that is away must not be asked all the time.
   */
  const failures = new Map<number, number>();
  let retryTimer: NodeJS.Timeout | null = null;
  let isClosed = false;

  function pump(): void {
    if (isClosed) return;
    const { leaders } = topic.view();
    const byNode = new Map<number, Feed[]>();
    for (const feed of order) {
      if (out.has(feed) || troubled.has(feed) || feed.failure() !== null || !feed.hasRoom()) continue;
      const nodeId = leaders[feed.partition]?.nodeId ?? -1;
      if (nodeId < 0) retryLater(nodeId, [feed]);
      else if (!busyNodes.has(nodeId)) byNode.set(nodeId, [...(byNode.get(nodeId) ?? []), feed]);
    }
    for (const [nodeId, feeds] of byNode) void fetchFrom(nodeId, feeds);
  }

  async function fetchFrom(nodeId: number, feeds: readonly Feed[]): Promise<void> {
    busyNodes.add(nodeId);
    for (const feed of feeds) out.add(feed);
    let restMs = 0;
    try {
      const { inTrouble, bytes } = await fetchOnce(nodeId, feeds);
      restMs = restAfter(bytes);
      if (inTrouble.length > 0) retryLater(nodeId, inTrouble);
      else failures.delete(nodeId);
    } catch {
      // Perhaps the broker has another address by now.
      links.get(nodeId)?.close();
      links.delete(nodeId);
      retryLater(nodeId, feeds);
    }
    for (const feed of feeds) out.delete(feed);
    if (restMs > 0) await pause(restMs);
    busyNodes.delete(nodeId);
    pump();
  }

  /**
   * Answers the feeds that are to be tried again later, and how much was fetched. @throws UnavailableError where the
   * broker does not answer
   */
  async function fetchOnce(
    nodeId: number,
    feeds: readonly Feed[],
  ): Promise<{ readonly inTrouble: readonly Feed[]; readonly bytes: number }> {
    const { leaders } = topic.view();
    const wishes = feeds.map((feed) => {
      const leaderEpoch = leaders[feed.partition]?.epoch ?? -1;
      return { partition: feed.partition, offset: feed.position(), leaderEpoch, bytesMax: options.partitionBytesMax };
    });
    const isLeftOut = (feed: Feed) => !feed.hasRoom() && options.isRead(feed);
    const waitMs = options.feeds.some(isLeftOut) ? limits.kafkaFetchShortWaitMs : limits.kafkaFetchWaitMs;
    const request = fetchRequest(topicId, wishes, waitMs, limits.kafkaFetchBytesMax);
    const answer = await linkTo(nodeId).call(protocol.fetch, request, waitMs + answerMs);
    if (isClosed) return { inTrouble: [], bytes: 0 };
    if (answer.errorCode !== 0) return { inTrouble: feeds, bytes: 0 };
    const partitions = answer.topics.flatMap((one) => one.partitions);
    // Before anything is given back.
    const bytes = partitions.reduce((sum, { records }) => sum + (records?.length ?? 0), 0);
    const byPartition = new Map(partitions.map((fetched) => [fetched.partition, fetched]));
    const release = releaseOf(partitions);
    const outcomes = await Promise.all(feeds.map((feed) => settle(feed, byPartition.get(feed.partition), release)));
    return { inTrouble: feeds.filter((_, index) => outcomes[index] === 'trouble'), bytes };
  }

  async function settle(
    feed: Feed,
    fetched: FetchedPartition | undefined,
    release: () => void,
  ): Promise<'fine' | 'trouble'> {
    if (fetched === undefined) return 'trouble';
    const { errorCode } = fetched;
    if (errorCode === codes.offsetOutOfRange) return goBackIntoRange(feed);
    if (errorCode !== 0) {
      if (isPassing(errorCode)) return 'trouble';
      feed.fail(refused(`read ${topic.name}/${feed.partition}`, errorCode));
      return 'fine';
    }
    if ((fetched.records?.length ?? 0) > 0) order = [...order.filter((other) => other !== feed), feed];
    try {
      feed.add(
        mayLieLong(feed, fetched) ? readOwn(fetched, feed, release) : readFetched(fetched, feed.position(), release),
      );
    } catch (error) {
      feed.fail(error instanceof DamagedError ? error : unreachable(topic.name, error));
    }
    return 'fine';
  }

  /**
   * What may lie unread while its neighbours go on would keep all of their answer: of a partition that nobody reads, or so
   * little of it that a feed has room for hundreds.
   */
  function mayLieLong(feed: Feed, { records }: FetchedPartition): boolean {
    if (records === null) return false;
    return !options.isRead(feed) || records.length < records.buffer.byteLength * smallShare;
  }

  /** The log begins later by now, or ends sooner than it did. */
  async function goBackIntoRange(feed: Feed): Promise<'fine' | 'trouble'> {
    const position = feed.position();
    const bounds = await options.bounds(feed.partition);
    // Tried anew meanwhile, for another feed's sake, and fetched.
    if (feed.position() !== position) return 'fine';
    if (bounds.start > position) feed.skipTo(bounds.start, bounds.end);
    else if (bounds.end < position) {
      const message = `${topic.name}/${feed.partition} ends at ${bounds.end}, before offset ${position} that was to be read`;
      feed.fail(new UnavailableError('log_behind', message));
    } else return 'trouble';
    return 'fine';
  }

  function linkTo(nodeId: number): BrokerLink {
    const found = links.get(nodeId) ?? brokers.openLink(brokers.endpointOf(nodeId));
    links.set(nodeId, found);
    return found;
  }

  function retryLater(nodeId: number, feeds: readonly Feed[]): void {
    for (const feed of feeds) troubled.add(feed);
    if (isClosed || retryTimer !== null) return;
    const failed = failures.get(nodeId) ?? 0;
    failures.set(nodeId, failed + 1);
    retryTimer = setTimeout(async () => {
      await lookAgain();
      retryTimer = null;
      troubled.clear();
      pump();
    }, retryPauseMs(failed));
  }

  async function lookAgain(): Promise<void> {
    try {
      const view = await topic.refresh(performance.now() + limits.kafkaCallTimeoutMs);
      if (view.id === topicId) return;
      const message = `the topic ${topic.name} was made anew: it is ${view.id}, and was ${topicId}`;
      failAll(new UnavailableError('log_replaced', message));
    } catch (error) {
      const failure = unreachable(`read ${topic.name}`, error);
      if (failure.code === 'log_missing') failAll(failure);
    }
  }

  function failAll(failure: UnavailableError): void {
    for (const feed of options.feeds) feed.fail(failure);
  }

  return {
    pump,
    close() {
      isClosed = true;
      if (retryTimer !== null) clearTimeout(retryTimer);
      for (const link of links.values()) link.close();
    },
  };
}

function restAfter(fetchedBytes: number): number {
  if (fetchedBytes === 0 || fetchedBytes >= limits.kafkaFetchSmallBytes) return 0;
  return fetchedBytes < limits.kafkaFetchTinyBytes ? limits.kafkaFetchTinyRestMs : limits.kafkaFetchRestMs;
}

/**
 * To be called for each partition of an answer once its records are done with: the last gives the answer's memory back.
 * Where one is never called, as for records that are damaged, the collector finds it.
 */
function releaseOf(partitions: readonly FetchedPartition[]): () => void {
  let left = partitions.length;
  return () => {
    left -= 1;
    const records = left === 0 ? partitions.find((one) => one.records !== null)?.records : null;
    if (records) giveBack(records);
  };
}

/** Of an answer. */
const smallShare = 1 / 16;

/** From bytes of its own. */
function readOwn(fetched: FetchedPartition, feed: Feed, release: () => void): Fetched {
  const records = Buffer.from(fetched.records!);
  release();
  return readFetched({ ...fetched, records }, feed.position());
}
