import {
  array,
  boolean,
  bytes,
  classicArray,
  classicNullableBytes,
  classicString,
  classicStruct,
  int8,
  int16,
  int32,
  int64,
  nullableString,
  string,
  struct,
} from './codec.ts';
import { byTopic, message } from './message.ts';

const partitionResult = struct({ partitionIndex: int32, errorCode: int16 });

export const findCoordinator = message('FindCoordinator', [10, 4], {
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
});

export const joinGroup = message('JoinGroup', [11, 9], {
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
});

export const syncGroup = message('SyncGroup', [14, 5], {
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
});

export const heartbeat = message('Heartbeat', [12, 4], {
  request: struct({ groupId: string, generationId: int32, memberId: string, groupInstanceId: nullableString }),
  response: struct({ throttleTimeMs: int32, errorCode: int16 }),
});

export const leaveGroup = message('LeaveGroup', [13, 5], {
  request: struct({
    groupId: string,
    members: array(struct({ memberId: string, groupInstanceId: nullableString, reason: nullableString })),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    members: array(struct({ memberId: string, groupInstanceId: nullableString, errorCode: int16 })),
  }),
});

export const offsetCommit = message('OffsetCommit', [8, 8], {
  request: struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString,
    topics: byTopic(
      struct({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: int32,
        committedMetadata: nullableString,
      }),
    ),
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: byTopic(partitionResult),
  }),
});

export const describeGroups = message('DescribeGroups', [15, 5], {
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
});

const topicPartitions = classicArray(classicStruct({ topic: classicString, partitions: classicArray(int32) }));

/**
 * What members of a group of consumers tell one another through the coordinator, in version 1, behind which more may
 * follow.
 */
export const subscription = classicStruct({
  version: int16,
  topics: classicArray(classicString),
  userData: classicNullableBytes,
  ownedPartitions: topicPartitions,
});
export const assignment = classicStruct({
  version: int16,
  assignedPartitions: topicPartitions,
  userData: classicNullableBytes,
});
export const groupProtocolVersion = 1;
