import { afterEach, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { asBuffer } from '../../../domain/utf8.ts';
import type { ValueOf } from '../protocol/codec.ts';
import type { protocol } from '../protocol/protocol.ts';
import type { FetchedPartition } from '../protocol/record-messages.ts';
import type { Topic } from '../topics/topic.ts';
import type { Brokers } from '../wire/brokers.ts';
import { encodeBatch } from '../wire/encode-batch.ts';
import { codes } from '../wire/errors.ts';
import { createFeed, type Feed } from './feed.ts';
import { createFetcher, type Fetcher } from './fetcher.ts';

const plentiful = { recordsMax: 1_000, bytesMax: 10_000_000 };
const feedBytesMax = 10_000;

interface AskedFor {
  readonly nodeId: number;
  readonly waitMs: number;
  readonly partitions: readonly number[];
  answer(partitions: readonly Partial<FetchedPartition>[]): void;
  fail(): void;
}

/** Brokers whose fetches the test answers; partition p is led by node `leaders[p]`. */
function scripted(leaderIds: number[], isRead: (partition: number) => boolean = () => true) {
  const fetches: AskedFor[] = [];
  const bounds = new Map<number, { start: number; end: number }>();
  let refreshes = 0;
  let topicId = 'topic-a';
  let refreshError: UnavailableError | null = null;
  const leaders = leaderIds;
  const openLink = (nodeId: number) => ({
    close: () => undefined,
    call: (_: unknown, { topics, maxWaitMs }: ValueOf<typeof protocol.fetch.request>) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const [asked] = topics;
      fetches.push({
        nodeId,
        waitMs: maxWaitMs,
        partitions: asked!.partitions.map(({ partition }) => partition),
        answer: (partitions) => {
          const none = { errorCode: 0, lastStableOffset: 0n, aborted: [], records: null };
          const answered = new Map(partitions.map((one) => [one.partition, one]));
          const all = asked!.partitions.map(({ partition }) => ({ ...none, partition, ...answered.get(partition) }));
          resolve({ errorCode: 0, topics: [{ topicId, partitions: all }] });
        },
        fail: () => reject(new UnavailableError('log_unreachable', 'away')),
      });
      return promise;
    },
  });
  const brokers = {
    endpointOf: (nodeId: number) => ({ host: 'broker', port: nodeId }),
    openLink: ({ port }: { port: number }) => openLink(port),
  } as unknown as Brokers;
  const view = () => ({ id: topicId, leaders: leaders.map((nodeId) => ({ nodeId, epoch: 1 })) });
  const topic = {
    name: 'events',
    view,
    async refresh() {
      refreshes += 1;
      if (refreshError !== null) throw refreshError;
      return view();
    },
  } as unknown as Topic;
  const feeds = leaders.map((_, partition) => createFeed(partition, 0, feedBytesMax));
  const fetcher = createFetcher({
    brokers,
    topic,
    feeds,
    bounds: async (partition) => bounds.get(partition)!,
    partitionBytesMax: 1_000_000,
    isRead: ({ partition }) => isRead(partition),
  });
  return {
    fetcher,
    feeds,
    fetches,
    bounds,
    leaders,
    refreshes: () => refreshes,
    rename: (id: string) => {
      topicId = id;
    },
    remove: () => {
      refreshError = new UnavailableError('log_missing', 'no such topic');
    },
  };
}

function batch(partition: number, offset: number, texts: readonly string[]): Partial<FetchedPartition> {
  const records = encodeBatch(
    texts.map((text) => ({ value: Buffer.from(text) })),
    1_000,
  );
  records.writeBigInt64BE(BigInt(offset), 0);
  return { partition, records, lastStableOffset: BigInt(offset + texts.length) };
}

const textsOf = (feed: Feed) => feed.take(plentiful).records.map(({ value }) => Buffer.from(value).toString());
const large = 'x'.repeat(feedBytesMax);

describe('fetching', () => {
  const open: Fetcher[] = [];
  afterEach(() => {
    for (const fetcher of open.splice(0)) fetcher.close();
  });

  function start(...args: Parameters<typeof scripted>) {
    const script = scripted(...args);
    open.push(script.fetcher);
    script.fetcher.pump();
    return { ...script, nextFetch: (count: number) => vi.waitFor(() => expect(script.fetches).toHaveLength(count)) };
  }

  it('has one fetch under way to each leader, for all that it leads', async () => {
    const { fetches, feeds, fetcher, nextFetch } = start([1, 2, 1]);
    fetcher.pump();
    expect(fetches.map(({ nodeId, partitions }) => [nodeId, partitions])).toEqual([
      [1, [0, 2]],
      [2, [1]],
    ]);
    fetches[1]!.answer([batch(1, 0, ['a'])]);
    await nextFetch(3);
    expect(fetches[2]).toMatchObject({ nodeId: 2, partitions: [1], waitMs: limits.kafkaFetchWaitMs });
    expect(textsOf(feeds[1]!)).toEqual(['a']);
  });

  it('gives the memory of an answer back once all of its partitions are done with it', async () => {
    const { fetches, feeds, nextFetch } = start([1, 1, 1]);
    const parts = [batch(0, 0, [large]), batch(2, 0, [large, large])];
    // Of its own, not of Node's pool.
    const answer = new Uint8Array(Buffer.concat(parts.map(({ records }) => records!)));
    const bytes = parts.map(({ records }) => records!.length);
    fetches[0]!.answer([
      { ...parts[0], records: asBuffer(answer.subarray(0, bytes[0])) },
      { ...parts[1], records: asBuffer(answer.subarray(bytes[0])) },
    ]);
    await nextFetch(2);
    const emptied = [feeds[0]!, feeds[2]!].map((feed) => feed.take(plentiful).emptied);
    expect(emptied.map(({ length }) => length)).toEqual([1, 1]);
    emptied[1]![0]!.release();
    expect(answer).toHaveLength(bytes[0]! + bytes[1]!);
    emptied[0]![0]!.release();
    expect(answer).toHaveLength(0);
  });

  it.each([
    ['a small part of an answer', 'a', true],
    ['what nobody reads', large, false],
  ])('keeps %s by itself, and not the answer for its sake', async (_, text, isRead) => {
    const { fetches, feeds } = start([1, 1], (partition) => partition === 1 || isRead);
    const [small, rest] = [batch(0, 0, [text]), batch(1, 0, [large, large])];
    const bytes = [small, rest].map(({ records }) => records!.length);
    // Of its own, not of Node's pool.
    const answer = new Uint8Array(Buffer.concat([small.records!, rest.records!]));
    fetches[0]!.answer([
      { ...small, records: asBuffer(answer.subarray(0, bytes[0])) },
      { ...rest, records: asBuffer(answer.subarray(bytes[0])) },
    ]);
    await vi.waitFor(() => expect(feeds[1]!.isEmpty()).toBe(false));
    feeds[1]!.take(plentiful).emptied[0]!.release();
    expect(answer).toHaveLength(0);
    expect(textsOf(feeds[0]!)).toEqual([text]);
  });

  it('rests after a small answer, longer after a tiny one, and goes on at once after a large one', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const { fetches } = start([1, 1]);
      const turns = () => new Promise(setImmediate);
      const restsFor = async (ms: number) => {
        const before = fetches.length;
        await turns();
        await vi.advanceTimersByTimeAsync(ms - 1);
        expect(fetches).toHaveLength(before);
        await vi.advanceTimersByTimeAsync(1);
        expect(fetches).toHaveLength(before + 1);
      };
      fetches[0]!.answer([batch(0, 0, ['a'])]);
      await restsFor(limits.kafkaFetchTinyRestMs);
      fetches[1]!.answer([batch(0, 1, ['x'.repeat(limits.kafkaFetchTinyBytes)])]);
      await restsFor(limits.kafkaFetchRestMs);
      fetches[2]!.answer([batch(1, 0, ['x'.repeat(limits.kafkaFetchSmallBytes)])]);
      await turns();
      expect(fetches).toHaveLength(4);
      fetches[3]!.answer([]);
      await turns();
      expect(fetches).toHaveLength(5);
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves out who has no room, and hurries as long as that one is read', async () => {
    let isRead = true;
    const { fetches, feeds, fetcher, nextFetch } = start([1, 1], (partition) => partition !== 0 || isRead);
    fetches[0]!.answer([batch(0, 0, [large])]);
    await nextFetch(2);
    expect(fetches[1]).toMatchObject({ partitions: [1], waitMs: limits.kafkaFetchShortWaitMs });
    isRead = false;
    fetches[1]!.answer([]);
    await nextFetch(3);
    expect(fetches[2]).toMatchObject({ partitions: [1], waitMs: limits.kafkaFetchWaitMs });
    feeds[0]!.take(plentiful);
    fetcher.pump();
    fetches[2]!.answer([]);
    await nextFetch(4);
    expect(fetches[3]!.partitions).toEqual([1, 0]);
  });

  it('asks first for who was served longest ago', async () => {
    const { fetches, nextFetch } = start([1, 1, 1]);
    fetches[0]!.answer([batch(0, 0, ['a']), batch(2, 0, ['c'])]);
    await nextFetch(2);
    expect(fetches[1]!.partitions).toEqual([1, 0, 2]);
  });

  it('looks for the leaders anew where one has moved, and holds up no other', async () => {
    const { fetches, leaders, refreshes, nextFetch } = start([1, 1]);
    fetches[0]!.answer([{ partition: 0, errorCode: codes.notLeaderOrFollower }, batch(1, 0, ['b'])]);
    leaders[0] = 2;
    await nextFetch(2);
    expect(fetches[1]).toMatchObject({ nodeId: 1, partitions: [1] });
    await nextFetch(3);
    expect(fetches[2]).toMatchObject({ nodeId: 2, partitions: [0] });
    expect(refreshes()).toBe(1);
  });

  it('waits for a leader where there is none', async () => {
    const { fetches, leaders, nextFetch } = start([-1, 1]);
    expect(fetches.map(({ partitions }) => partitions)).toEqual([[1]]);
    leaders[0] = 3;
    await nextFetch(2);
    expect(fetches[1]).toMatchObject({ nodeId: 3, partitions: [0] });
  });

  it('tries again when a broker does not answer, from where it was', async () => {
    const { fetches, feeds, nextFetch } = start([1]);
    fetches[0]!.answer([batch(0, 0, ['a', 'b'])]);
    await nextFetch(2);
    fetches[1]!.fail();
    await nextFetch(3);
    fetches[2]!.answer([batch(0, 2, ['c'])]);
    await nextFetch(4);
    expect(textsOf(feeds[0]!)).toEqual(['a', 'b', 'c']);
  });

  it('goes on where the log begins by now', async () => {
    const { fetches, feeds, bounds, nextFetch } = start([1]);
    bounds.set(0, { start: 40, end: 90 });
    fetches[0]!.answer([{ partition: 0, errorCode: codes.offsetOutOfRange }]);
    await nextFetch(2);
    expect([feeds[0]!.position(), feeds[0]!.end()]).toEqual([40, 90]);
  });

  it.each<[string, (script: ReturnType<typeof start>) => void, string]>([
    [
      'the log ends before what was to be read',
      ({ fetches, feeds, bounds }) => {
        feeds[0]!.skipTo(7, 7);
        bounds.set(0, { start: 0, end: 5 });
        fetches[0]!.answer([{ partition: 0, errorCode: codes.offsetOutOfRange }]);
      },
      'log_behind',
    ],
    [
      'it is not allowed',
      ({ fetches }) => fetches[0]!.answer([{ partition: 0, errorCode: codes.topicAuthorizationFailed }]),
      'log_denied',
    ],
    [
      'the topic was made anew',
      ({ fetches, rename }) => {
        rename('topic-b');
        fetches[0]!.answer([{ partition: 0, errorCode: codes.unknownTopicId }]);
      },
      'log_replaced',
    ],
    [
      'the topic is gone',
      ({ fetches, remove }) => {
        remove();
        fetches[0]!.answer([{ partition: 0, errorCode: codes.unknownTopicId }]);
      },
      'log_missing',
    ],
  ])('gives up when %s', async (_, happen, code) => {
    const script = start([1]);
    happen(script);
    await vi.waitFor(() => expect(script.feeds[0]!.failure()).toMatchObject({ code }));
    script.fetcher.pump();
    expect(script.fetches).toHaveLength(1);
  });

  it('gives up one partition where its bytes are damaged, once what lies before is taken', async () => {
    const { fetches, feeds } = start([1]);
    fetches[0]!.answer([
      { partition: 0, records: Buffer.concat([batch(0, 0, ['sound']).records!, Buffer.alloc(100)]) },
    ]);
    await vi.waitFor(() => expect(fetches).toHaveLength(2));
    expect(feeds[0]!.failure()).toBeNull();
    fetches[1]!.answer([{ partition: 0, records: Buffer.alloc(100) }]);
    await vi.waitFor(() => expect(feeds[0]!.failure()).toMatchObject({ name: 'DamagedError', partition: 0, from: 1 }));
    expect(feeds[0]!.isEmpty()).toBe(false);
  });

  it('fetches nothing once it is closed', async () => {
    const { fetches, feeds, fetcher } = start([1]);
    fetcher.close();
    fetches[0]!.answer([batch(0, 0, ['late'])]);
    fetcher.pump();
    await new Promise(setImmediate);
    expect(fetches).toHaveLength(1);
    expect(feeds[0]!.isEmpty()).toBe(true);
  });
});
