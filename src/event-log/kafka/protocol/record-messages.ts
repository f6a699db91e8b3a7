import {
  array,
  bytes,
  int8,
  int16,
  int32,
  int64,
  nullableBytes,
  nullableString,
  string,
  struct,
  uuid,
  type ValueOf,
} from './codec.ts';
import { byTopic, message } from './message.ts';

const fetchedPartition = struct({
  partition: int32,
  errorCode: int16,
  highWatermark: int64,
  /** The end for readers who want no open transactions; −1 when there is an error. */
  lastStableOffset: int64,
  logStartOffset: int64,
  aborted: array(struct({ producerId: int64, firstOffset: int64 })),
  preferredReadReplica: int32,
  /** Record batches; what they are is decode-batch's affair. */
  records: nullableBytes,
});
export type FetchedPartition = ValueOf<typeof fetchedPartition>;

const producedPartition = struct({
  index: int32,
  errorCode: int16,
  baseOffset: int64,
  logAppendTimeMs: int64,
  logStartOffset: int64,
  recordErrors: array(struct({ batchIndex: int32, message: nullableString })),
  errorMessage: nullableString,
});
export type ProducedPartition = ValueOf<typeof producedPartition>;

export const produce = message('Produce', [0, 9], {
  request: struct({
    transactionalId: nullableString,
    acks: int16,
    timeoutMs: int32,
    topics: byTopic(struct({ index: int32, records: bytes })),
  }),
  response: struct({
    topics: byTopic(producedPartition),
    throttleTimeMs: int32,
  }),
});

export const fetch = message('Fetch', [1, 13], {
  request: struct({
    replicaId: int32,
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32,
    isolationLevel: int8,
    sessionId: int32,
    sessionEpoch: int32,
    topics: array(
      struct({
        topicId: uuid,
        partitions: array(
          struct({
            partition: int32,
            currentLeaderEpoch: int32,
            fetchOffset: int64,
            lastFetchedEpoch: int32,
            logStartOffset: int64,
            partitionMaxBytes: int32,
          }),
        ),
      }),
    ),
    forgottenTopicsData: array(struct({ topicId: uuid, partitions: array(int32) })),
    rackId: string,
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    sessionId: int32,
    topics: array(struct({ topicId: uuid, partitions: array(fetchedPartition) })),
  }),
});

export const listOffsets = message('ListOffsets', [2, 7], {
  request: struct({
    replicaId: int32,
    isolationLevel: int8,
    topics: byTopic(struct({ partitionIndex: int32, currentLeaderEpoch: int32, timestamp: int64 })),
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: byTopic(
      struct({ partitionIndex: int32, errorCode: int16, timestamp: int64, offset: int64, leaderEpoch: int32 }),
    ),
  }),
});

export const deleteRecords = message('DeleteRecords', [21, 2], {
  request: struct({
    topics: byTopic(struct({ partitionIndex: int32, offset: int64 })),
    timeoutMs: int32,
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: byTopic(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 })),
  }),
});
