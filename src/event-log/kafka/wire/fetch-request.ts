import type { ValueOf } from '../protocol/codec.ts';
import type { protocol } from '../protocol/protocol.ts';

/** Only finished transactions, in fetches and in ends alike, so that the end is where a reader can get to. */
export const readCommitted = 1;
/** Who asks is no broker that copies. */
export const asConsumer = -1;
const unknown = -1;

export interface FetchWish {
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly bytesMax: number;
}

/** One fetch, of no session; it comes back when there is something, or after `maxWaitMs`. */
export function fetchRequest(
  topicId: string,
  wishes: readonly FetchWish[],
  maxWaitMs: number,
  maxBytes: number,
): ValueOf<typeof protocol.fetch.request> {
  const partitions = wishes.map(({ partition, offset, leaderEpoch, bytesMax }) => ({
    partition,
    currentLeaderEpoch: leaderEpoch,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: unknown,
    logStartOffset: BigInt(unknown),
    partitionMaxBytes: bytesMax,
  }));
  return {
    replicaId: asConsumer,
    maxWaitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: readCommitted,
    sessionId: 0,
    sessionEpoch: -1,
    topics: [{ topicId, partitions }],
    forgottenTopicsData: [],
    rackId: '',
  };
}
