import {
  array,
  boolean,
  int8,
  int16,
  int32,
  nullableArray,
  nullableString,
  string,
  struct,
  uuid,
  type ValueOf,
} from './codec.ts';
import { message } from './message.ts';

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

export const metadata = message('Metadata', [3, 12], {
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
});

export const createTopics = message('CreateTopics', [19, 7], {
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
});

export const createPartitions = message('CreatePartitions', [37, 3], {
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
});

export const describeConfigs = message('DescribeConfigs', [32, 4], {
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
});
