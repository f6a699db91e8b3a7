import {
  type API,
  createAPI,
  createPartitionsV3,
  createTopicsV7,
  deleteRecordsV2,
  describeConfigsV4,
  describeGroupsV5,
  fetchV13,
  findCoordinatorV4,
  heartbeatV4,
  joinGroupV9,
  leaveGroupV5,
  listOffsetsV7,
  metadataV12,
  offsetCommitV8,
  produceV9,
  type Reader,
  syncGroupV5,
  Writer,
} from '@platformatic/kafka';

/**
 * What this program says to Kafka, and in which version of each: one that every broker from 3.5 to 4.x speaks, with topic ids
 * in Metadata and Fetch. The client library's producer and consumer are not used, only its connections and its wire formats:
 * docs/decisions/0006-kafka-by-its-protocol.md says why.
 */
export const protocol = {
  metadata: metadataV12.api,
  listOffsets: listOffsetsV7.api,
  produce: createAPI(0, 9, createProduceRequest, produceV9.parseResponse) as API<
    ProduceRequest,
    produceV9.ProduceResponse
  >,
  fetch: createAPI(1, 13, fetchV13.createRequest, parseFetchResponse) as API<fetchV13.FetchRequest, FetchResponse>,
  findCoordinator: findCoordinatorV4.api,
  joinGroup: joinGroupV9.api,
  syncGroup: syncGroupV5.api,
  heartbeat: heartbeatV4.api,
  leaveGroup: leaveGroupV5.api,
  offsetCommit: offsetCommitV8.api,
  deleteRecords: deleteRecordsV2.api,
  createTopics: createTopicsV7.api,
  createPartitions: createPartitionsV3.api,
  describeConfigs: describeConfigsV4.api,
  describeGroups: describeGroupsV5.api,
} as const;

export const oldestKafka = '3.5';

/** A topic's name, a batch of records for each partition, how long the broker may take to have them everywhere. */
export type ProduceRequest = [topic: string, batches: ReadonlyMap<number, Buffer>, timeoutMs: number];

const acksOfAll = -1;

function createProduceRequest(...[topic, batches, timeoutMs]: ProduceRequest): Writer {
  return Writer.create()
    .appendString(null)
    .appendInt16(acksOfAll)
    .appendInt32(timeoutMs)
    .appendArray([topic], (writer, name) => {
      writer.appendString(name).appendArray([...batches], (inner, [partition, batch]) => {
        inner.appendInt32(partition).appendBytes(batch);
      });
    })
    .appendTaggedFields();
}

/** Only finished transactions, in fetches and in ends alike, so that the end is where a reader can get to. */
export const readCommitted = 1;
const noSession = [0, -1] as const;

export interface FetchWish {
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly bytesMax: number;
}

/** One fetch, of no session; it comes back when there is something, or after `waitMs`. */
export function fetchRequest(
  topicId: string,
  wishes: readonly FetchWish[],
  waitMs: number,
  bytesMax: number,
): fetchV13.FetchRequest {
  const partitions = wishes.map(({ partition, offset, leaderEpoch, bytesMax: partitionMaxBytes }) => {
    const fetchOffset = BigInt(offset);
    return { partition, currentLeaderEpoch: leaderEpoch, fetchOffset, lastFetchedEpoch: -1, partitionMaxBytes };
  });
  return [waitMs, 1, bytesMax, readCommitted, ...noSession, [{ topicId, partitions }], [], ''];
}

export interface FetchResponse {
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  /** The end for readers who want no open transactions; −1 when there is an error. */
  readonly lastStableOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches; what they are is decode-batch's affair. */
  readonly bytes: Buffer | null;
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** As the library's own, but that it leaves the batches as bytes, and takes errors for answers. One topic is asked for. */
function parseFetchResponse(
  _correlationId: number,
  _apiKey: number,
  _apiVersion: number,
  reader: Reader,
): FetchResponse {
  reader.readInt32();
  const errorCode = reader.readInt16();
  reader.readInt32();
  const topics = reader.readArray((inner) => {
    inner.readUUID();
    return inner.readArray(readFetchedPartition, true, false);
  });
  return { errorCode, partitions: topics.flat() };
}

function readFetchedPartition(reader: Reader): FetchedPartition {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  reader.readInt64();
  const lastStableOffset = Number(reader.readInt64());
  reader.readInt64();
  const aborted = reader.readNullableArray((inner) => {
    return { producerId: inner.readInt64(), firstOffset: Number(inner.readInt64()) };
  });
  reader.readInt32();
  const bytes = reader.readNullableBytes();
  reader.readTaggedFields();
  return { partition, errorCode, lastStableOffset, aborted: aborted ?? [], bytes };
}
