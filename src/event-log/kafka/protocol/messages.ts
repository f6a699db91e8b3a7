import {
  array,
  boolean,
  bytes,
  type Codec,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
  nullableBytes,
  nullableString,
  plainArray,
  plainNullableBytes,
  plainString,
  plainStruct,
  string,
  struct,
  uuid,
  type ValueOf,
} from './codec.ts';

/** One kind of request and its answer, in one version. */
export interface Message<Request, Response> {
  readonly name: string;
  /** Kafka's number of it. */
  readonly key: number;
  readonly version: number;
  /** In the flexible form, headers have tagged fields too. */
  readonly isFlexible: boolean;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

function message<Request, Response>(
  name: string,
  [key, version]: readonly [key: number, version: number],
  { request, response }: { readonly request: Codec<Request>; readonly response: Codec<Response> },
): Message<Request, Response> {
  return { name, key, version, isFlexible: true, request, response };
}

const partitionResult = struct({ partitionIndex: int32, errorCode: int16 });

const metadataTopic = struct({
  errorCode: int16,
  name: nullableString,
  topicId: uuid,
  isInternal: boolean,
  partitions: array(
    struct({
      errorCode: int16,
      partitionIndex: int32,
      leaderId: int32,
      leaderEpoch: int32,
      replicaNodes: array(int32),
      isrNodes: array(int32),
      offlineReplicas: array(int32),
    }),
  ),
  topicAuthorizedOperations: int32,
});
export type MetadataTopic = ValueOf<typeof metadataTopic>;

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

/**
 * What this program says to Kafka, and in which version of each: one that every broker from 3.5 to 4.x speaks, with topic ids
 * in Metadata and Fetch. docs/decisions/0006-kafka-by-its-protocol.md says why it speaks for itself. Names and order of the fields
 * are those of Kafka's own definitions (clients/src/main/resources/common/message); what the form of a version leaves out there is left
 * out here.
 */
export const protocol = {
  metadata: message('Metadata', [3, 12], {
    request: struct({
      topics: nullableArray(struct({ topicId: uuid, name: nullableString })),
      allowAutoTopicCreation: boolean,
      includeTopicAuthorizedOperations: boolean,
    }),
    response: struct({
      throttleTimeMs: int32,
      brokers: array(struct({ nodeId: int32, host: string, port: int32, rack: nullableString })),
      clusterId: nullableString,
      controllerId: int32,
      topics: array(metadataTopic),
    }),
  }),
  listOffsets: message('ListOffsets', [2, 7], {
    request: struct({
      replicaId: int32,
      isolationLevel: int8,
      topics: array(
        struct({
          name: string,
          partitions: array(struct({ partitionIndex: int32, currentLeaderEpoch: int32, timestamp: int64 })),
        }),
      ),
    }),
    response: struct({
      throttleTimeMs: int32,
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({ partitionIndex: int32, errorCode: int16, timestamp: int64, offset: int64, leaderEpoch: int32 }),
          ),
        }),
      ),
    }),
  }),
  produce: message('Produce', [0, 9], {
    request: struct({
      transactionalId: nullableString,
      acks: int16,
      timeoutMs: int32,
      topics: array(struct({ name: string, partitions: array(struct({ index: int32, records: bytes })) })),
    }),
    response: struct({
      topics: array(struct({ name: string, partitions: array(producedPartition) })),
      throttleTimeMs: int32,
    }),
  }),
  fetch: message('Fetch', [1, 13], {
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
  }),
  findCoordinator: message('FindCoordinator', [10, 4], {
    request: struct({ keyType: int8, coordinatorKeys: array(string) }),
    response: struct({
      throttleTimeMs: int32,
      coordinators: array(
        struct({
          key: string,
          nodeId: int32,
          host: string,
          port: int32,
          errorCode: int16,
          errorMessage: nullableString,
        }),
      ),
    }),
  }),
  joinGroup: message('JoinGroup', [11, 9], {
    request: struct({
      groupId: string,
      sessionTimeoutMs: int32,
      rebalanceTimeoutMs: int32,
      memberId: string,
      groupInstanceId: nullableString,
      protocolType: string,
      protocols: array(struct({ name: string, metadata: bytes })),
      reason: nullableString,
    }),
    response: struct({
      throttleTimeMs: int32,
      errorCode: int16,
      generationId: int32,
      protocolType: nullableString,
      protocolName: nullableString,
      leader: string,
      skipAssignment: boolean,
      memberId: string,
      members: array(struct({ memberId: string, groupInstanceId: nullableString, metadata: bytes })),
    }),
  }),
  syncGroup: message('SyncGroup', [14, 5], {
    request: struct({
      groupId: string,
      generationId: int32,
      memberId: string,
      groupInstanceId: nullableString,
      protocolType: nullableString,
      protocolName: nullableString,
      assignments: array(struct({ memberId: string, assignment: bytes })),
    }),
    response: struct({
      throttleTimeMs: int32,
      errorCode: int16,
      protocolType: nullableString,
      protocolName: nullableString,
      assignment: bytes,
    }),
  }),
  heartbeat: message('Heartbeat', [12, 4], {
    request: struct({ groupId: string, generationId: int32, memberId: string, groupInstanceId: nullableString }),
    response: struct({ throttleTimeMs: int32, errorCode: int16 }),
  }),
  leaveGroup: message('LeaveGroup', [13, 5], {
    request: struct({
      groupId: string,
      members: array(struct({ memberId: string, groupInstanceId: nullableString, reason: nullableString })),
    }),
    response: struct({
      throttleTimeMs: int32,
      errorCode: int16,
      members: array(struct({ memberId: string, groupInstanceId: nullableString, errorCode: int16 })),
    }),
  }),
  offsetCommit: message('OffsetCommit', [8, 8], {
    request: struct({
      groupId: string,
      generationId: int32,
      memberId: string,
      groupInstanceId: nullableString,
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: int32,
              committedMetadata: nullableString,
            }),
          ),
        }),
      ),
    }),
    response: struct({
      throttleTimeMs: int32,
      topics: array(struct({ name: string, partitions: array(partitionResult) })),
    }),
  }),
  deleteRecords: message('DeleteRecords', [21, 2], {
    request: struct({
      topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, offset: int64 })) })),
      timeoutMs: int32,
    }),
    response: struct({
      throttleTimeMs: int32,
      topics: array(
        struct({
          name: string,
          partitions: array(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 })),
        }),
      ),
    }),
  }),
  createTopics: message('CreateTopics', [19, 7], {
    request: struct({
      topics: array(
        struct({
          name: string,
          numPartitions: int32,
          replicationFactor: int16,
          assignments: array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
          configs: array(struct({ name: string, value: nullableString })),
        }),
      ),
      timeoutMs: int32,
      validateOnly: boolean,
    }),
    response: struct({
      throttleTimeMs: int32,
      topics: array(
        struct({
          name: string,
          topicId: uuid,
          errorCode: int16,
          errorMessage: nullableString,
          numPartitions: int32,
          replicationFactor: int16,
          configs: nullableArray(
            struct({
              name: string,
              value: nullableString,
              readOnly: boolean,
              configSource: int8,
              isSensitive: boolean,
            }),
          ),
        }),
      ),
    }),
  }),
  createPartitions: message('CreatePartitions', [37, 3], {
    request: struct({
      topics: array(
        struct({ name: string, count: int32, assignments: nullableArray(struct({ brokerIds: array(int32) })) }),
      ),
      timeoutMs: int32,
      validateOnly: boolean,
    }),
    response: struct({
      throttleTimeMs: int32,
      results: array(struct({ name: string, errorCode: int16, errorMessage: nullableString })),
    }),
  }),
  describeConfigs: message('DescribeConfigs', [32, 4], {
    request: struct({
      resources: array(struct({ resourceType: int8, resourceName: string, configurationKeys: nullableArray(string) })),
      includeSynonyms: boolean,
      includeDocumentation: boolean,
    }),
    response: struct({
      throttleTimeMs: int32,
      results: array(
        struct({
          errorCode: int16,
          errorMessage: nullableString,
          resourceType: int8,
          resourceName: string,
          configs: array(
            struct({
              name: string,
              value: nullableString,
              readOnly: boolean,
              configSource: int8,
              isSensitive: boolean,
              synonyms: array(struct({ name: string, value: nullableString, source: int8 })),
              configType: int8,
              documentation: nullableString,
            }),
          ),
        }),
      ),
    }),
  }),
  describeGroups: message('DescribeGroups', [15, 5], {
    request: struct({ groups: array(string), includeAuthorizedOperations: boolean }),
    response: struct({
      throttleTimeMs: int32,
      groups: array(
        struct({
          errorCode: int16,
          groupId: string,
          groupState: string,
          protocolType: string,
          protocolData: string,
          members: array(
            struct({
              memberId: string,
              groupInstanceId: nullableString,
              clientId: string,
              clientHost: string,
              memberMetadata: bytes,
              memberAssignment: bytes,
            }),
          ),
          authorizedOperations: int32,
        }),
      ),
    }),
  }),
} as const;

export const oldestKafka = '3.5';

/** Which versions a broker speaks. Asked before anything else, except of a broker that wants to know first who asks. */
export const apiVersions = message('ApiVersions', [18, 3], {
  request: struct({ clientSoftwareName: string, clientSoftwareVersion: string }),
  response: struct({
    errorCode: int16,
    apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })),
    throttleTimeMs: int32,
  }),
});

export const saslHandshake = {
  ...message('SaslHandshake', [17, 1], {
    request: plainStruct({ mechanism: plainString }),
    response: plainStruct({ errorCode: int16, mechanisms: plainArray(plainString) }),
  }),
  isFlexible: false,
};

export const saslAuthenticate = message('SaslAuthenticate', [36, 2], {
  request: struct({ authBytes: bytes }),
  response: struct({ errorCode: int16, errorMessage: nullableString, authBytes: bytes, sessionLifetimeMs: int64 }),
});

const topicPartitions = plainArray(plainStruct({ topic: plainString, partitions: plainArray(int32) }));

/** What members of a group of consumers tell one another through the coordinator, in version 1, behind which more may follow. */
export const subscription = plainStruct({
  version: int16,
  topics: plainArray(plainString),
  userData: plainNullableBytes,
  ownedPartitions: topicPartitions,
});
export const assignment = plainStruct({
  version: int16,
  assignedPartitions: topicPartitions,
  userData: plainNullableBytes,
});
export const groupProtocolVersion = 1;
