import {
  apiVersionsV3,
  createPartitionsV3,
  createTopicsV7,
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
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
  protocolAPIsById,
  Reader,
  saslAuthenticateV2,
  saslHandshakeV1,
  syncGroupV5,
  type Writer,
} from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { readBatches } from '../wire/decode-batch.ts';
import { encodeBatch } from '../wire/encode-batch.ts';
import { ByteReader, type Codec, encode } from './codec.ts';
import { apiVersions, saslAuthenticate, saslHandshake } from './connection-messages.ts';
import { assignment, groupProtocolVersion, subscription } from './group-messages.ts';
import type { Message } from './message.ts';
import { protocol } from './protocol.ts';

const topicId = '00112233-4455-6677-8899-aabbccddeeff';
const noId = '00000000-0000-0000-0000-000000000000';

const all: readonly Pick<Message<unknown, unknown>, 'name' | 'key' | 'version'>[] = [
  ...Object.values(protocol),
  apiVersions,
  saslHandshake,
  saslAuthenticate,
];

function readBack<Value>(codec: Codec<Value>, value: Value): Value {
  const reader = new ByteReader(encode(codec, value));
  const read = codec.read(reader);
  expect(reader.left).toBe(0);
  return read;
}

/** A client library has its own understanding of the same messages: the bytes must be its bytes. */
describe('requests', () => {
  const same = <Request>(message: { readonly request: Codec<Request> }, request: Request, theirs: Writer) => {
    const bytes = encode(message.request, request);
    expect(bytes.toString('hex')).toBe(theirs.buffer.toString('hex'));
    expect(readBack(message.request, request)).toEqual(request);
  };

  it('about topics', () => {
    same(
      protocol.metadata,
      {
        topics: [{ topicId: noId, name: 'événements' }],
        allowAutoTopicCreation: false,
        includeTopicAuthorizedOperations: true,
      },
      metadataV12.createRequest(['événements'], false, true),
    );
    same(
      protocol.metadata,
      { topics: null, allowAutoTopicCreation: true, includeTopicAuthorizedOperations: false },
      metadataV12.createRequest(null, true, false),
    );
    const made = {
      name: 'events',
      numPartitions: 8,
      replicationFactor: 3,
      assignments: [{ partitionIndex: 0, brokerIds: [1, 2] }],
      configs: [
        { name: 'min.insync.replicas', value: '2' },
        { name: 'x', value: null },
      ],
    };
    same(
      protocol.createTopics,
      { topics: [made], timeoutMs: 5_000, validateOnly: true },
      createTopicsV7.createRequest([{ ...made, configs: [made.configs[0]!, { name: 'x' }] }] as never, 5_000, true),
    );
    const raised = { name: 'events', count: 300, assignments: [{ brokerIds: [1] }] };
    same(
      protocol.createPartitions,
      { topics: [raised], timeoutMs: 1, validateOnly: false },
      createPartitionsV3.createRequest([raised], 1, false),
    );
    const resource = { resourceType: 2, resourceName: 'events', configurationKeys: ['a', 'b'] };
    same(
      protocol.describeConfigs,
      { resources: [resource], includeSynonyms: false, includeDocumentation: true },
      describeConfigsV4.createRequest([resource] as never, false, true),
    );
  });

  it('about records', () => {
    const asked = { partitionIndex: 7, currentLeaderEpoch: 4, timestamp: -2n };
    same(
      protocol.listOffsets,
      { replicaId: -1, isolationLevel: 1, topics: [{ name: 'events', partitions: [asked] }] },
      listOffsetsV7.createRequest(-1, 1, [{ name: 'events', partitions: [asked] }]),
    );
    const wish = {
      partition: 1,
      currentLeaderEpoch: 2,
      fetchOffset: 2n ** 40n,
      lastFetchedEpoch: -1,
      partitionMaxBytes: 1_000_000,
    };
    same(
      protocol.fetch,
      {
        replicaId: -1,
        maxWaitMs: 500,
        minBytes: 1,
        maxBytes: 9_000_000,
        isolationLevel: 1,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [{ topicId, partitions: [{ ...wish, logStartOffset: -1n }] }],
        forgottenTopicsData: [],
        rackId: '',
      },
      fetchV13.createRequest(500, 1, 9_000_000, 1, 0, -1, [{ topicId, partitions: [wish] }], [], ''),
    );
    const removed = { name: 'events', partitions: [{ partitionIndex: 3, offset: 12_345_678_901n }] };
    same(protocol.deleteRecords, { topics: [removed], timeoutMs: 10 }, deleteRecordsV2.createRequest([removed], 10));
  });

  it('about groups', () => {
    same(
      protocol.findCoordinator,
      { keyType: 0, coordinatorKeys: ['group'] },
      findCoordinatorV4.createRequest(0, ['group']),
    );
    const protocols = [{ name: 'even', metadata: Buffer.from([1, 2, 3]) }];
    same(
      protocol.joinGroup,
      {
        groupId: 'group',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: 60_000,
        memberId: '',
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols,
        reason: null,
      },
      joinGroupV9.createRequest('group', 10_000, 60_000, '', null, 'consumer', protocols),
    );
    const assignments = [{ memberId: 'member', assignment: Buffer.alloc(300, 7) }];
    same(
      protocol.syncGroup,
      {
        groupId: 'group',
        generationId: 5,
        memberId: 'member',
        groupInstanceId: 'instance',
        protocolType: 'consumer',
        protocolName: 'even',
        assignments,
      },
      syncGroupV5.createRequest('group', 5, 'member', 'instance', 'consumer', 'even', assignments),
    );
    same(
      protocol.heartbeat,
      { groupId: 'group', generationId: 5, memberId: 'member', groupInstanceId: null },
      heartbeatV4.createRequest('group', 5, 'member', null),
    );
    const leaving = [{ memberId: 'member', groupInstanceId: null, reason: 'it stops' }];
    same(protocol.leaveGroup, { groupId: 'group', members: leaving }, leaveGroupV5.createRequest('group', leaving));
    const committed = {
      name: 'events',
      partitions: [{ partitionIndex: 1, committedOffset: 9n, committedLeaderEpoch: -1, committedMetadata: null }],
    };
    same(
      protocol.offsetCommit,
      { groupId: 'group', generationId: 5, memberId: 'member', groupInstanceId: null, topics: [committed] },
      offsetCommitV8.createRequest('group', 5, 'member', null, [committed]),
    );
    same(
      protocol.describeGroups,
      { groups: ['group', 'other'], includeAuthorizedOperations: true },
      describeGroupsV5.createRequest(['group', 'other'], true),
    );
  });

  it('to append', () => {
    const message = { topic: 'events', partition: 7, value: Buffer.from('value'), timestamp: 1n };
    const theirs = produceV9.createRequest(-1, 4_500, [message], {}).buffer;
    const request = protocol.produce.request.read(new ByteReader(theirs));
    expect(request).toMatchObject({ transactionalId: null, acks: -1, timeoutMs: 4_500 });
    expect(request.topics).toMatchObject([{ name: 'events', partitions: [{ index: 7 }] }]);
    const [batch] = readBatches(request.topics[0]!.partitions[0]!.records);
    expect(batch).toMatchObject({ count: 1 });
    expect(encode(protocol.produce.request, request).equals(theirs)).toBe(true);
  });

  it('about who asks', () => {
    same(
      apiVersions,
      { clientSoftwareName: 'name', clientSoftwareVersion: '1' },
      apiVersionsV3.createRequest('name', '1'),
    );
    same(saslHandshake, { mechanism: 'SCRAM-SHA-512' }, saslHandshakeV1.createRequest('SCRAM-SHA-512'));
    const authBytes = Buffer.from('\0user\0password');
    same(saslAuthenticate, { authBytes }, saslAuthenticateV2.createRequest(authBytes));
  });
});

/** What an answer of the kind may hold, and what the library reads of it. */
describe('answers', () => {
  const readByLibrary = <Response>(
    { key, version, response }: Pick<Message<unknown, Response>, 'key' | 'version' | 'response'>,
    answer: Response,
    parse: (id: number, key: number, version: number, reader: Reader) => unknown,
  ) => {
    expect(readBack(response, answer)).toEqual(answer);
    return parse(1, key, version, Reader.from(encode(response, answer)));
  };

  it('about topics', () => {
    const partition = {
      errorCode: 0,
      partitionIndex: 0,
      leaderId: 1,
      leaderEpoch: 2,
      replicaNodes: [1, 2, 3],
      isrNodes: [1],
      offlineReplicas: [],
    };
    const answer = {
      throttleTimeMs: 0,
      brokers: [{ nodeId: 1, host: 'a.example', port: 9092, rack: null }],
      clusterId: 'cluster',
      controllerId: 1,
      topics: [
        {
          errorCode: 0,
          name: 'events',
          topicId,
          isInternal: false,
          partitions: [partition],
          topicAuthorizedOperations: -(2 ** 31),
        },
      ],
    };
    expect(readByLibrary(protocol.metadata, answer, metadataV12.parseResponse)).toEqual(answer);
    const config = {
      name: 'retention.ms',
      value: '1',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
      synonyms: [{ name: 's', value: null, source: 5 }],
      configType: 2,
      documentation: null,
    };
    const described = { errorCode: 0, errorMessage: null, resourceType: 2, resourceName: 'events', configs: [config] };
    const configs = { throttleTimeMs: 0, results: [described] };
    expect(readByLibrary(protocol.describeConfigs, configs, describeConfigsV4.parseResponse)).toEqual(configs);
  });

  it('about records and groups', () => {
    const offset = { partitionIndex: 1, errorCode: 0, timestamp: -1n, offset: 12n, leaderEpoch: 3 };
    const offsets = { throttleTimeMs: 0, topics: [{ name: 'events', partitions: [offset] }] };
    expect(readByLibrary(protocol.listOffsets, offsets, listOffsetsV7.parseResponse)).toEqual(offsets);
    const joined = {
      throttleTimeMs: 0,
      errorCode: 0,
      generationId: 5,
      protocolType: 'consumer',
      protocolName: 'even',
      leader: 'a',
      skipAssignment: false,
      memberId: 'b',
      members: [{ memberId: 'a', groupInstanceId: null, metadata: Buffer.from([1]) }],
    };
    expect(readByLibrary(protocol.joinGroup, joined, joinGroupV9.parseResponse)).toMatchObject({
      ...joined,
      members: [{ memberId: 'a', groupInstanceId: null }],
    });
    const coordinator = { key: 'g', nodeId: 1, host: 'h', port: 9092, errorCode: 0, errorMessage: '' };
    const found = { throttleTimeMs: 0, coordinators: [coordinator] };
    expect(readByLibrary(protocol.findCoordinator, found, findCoordinatorV4.parseResponse)).toEqual(found);
  });

  it('about changes of topics', () => {
    const config = { name: 'a', value: null, readOnly: false, configSource: 1, isSensitive: false };
    const topic = {
      name: 'events',
      topicId,
      errorCode: 0,
      errorMessage: null,
      numPartitions: 8,
      replicationFactor: 3,
      configs: [config],
    };
    const made = { throttleTimeMs: 5, topics: [topic] };
    expect(readByLibrary(protocol.createTopics, made, createTopicsV7.parseResponse)).toMatchObject(made);
    const raised = { throttleTimeMs: 5, results: [{ name: 'events', errorCode: 0, errorMessage: null }] };
    expect(readByLibrary(protocol.createPartitions, raised, createPartitionsV3.parseResponse)).toEqual(raised);
    const trimmed = { partitionIndex: 3, lowWatermark: 2n ** 40n, errorCode: 0 };
    const removed = { throttleTimeMs: 5, topics: [{ name: 'events', partitions: [trimmed] }] };
    expect(readByLibrary(protocol.deleteRecords, removed, deleteRecordsV2.parseResponse)).toEqual(removed);
  });

  it('about records that were appended or fetched', () => {
    const appended = {
      index: 3,
      errorCode: 0,
      baseOffset: 2n ** 41n,
      logAppendTimeMs: -1n,
      logStartOffset: 7n,
      recordErrors: [],
      errorMessage: null,
    };
    const produced = { topics: [{ name: 'events', partitions: [appended] }], throttleTimeMs: 9 };
    expect(readByLibrary(protocol.produce, produced, produceV9.parseResponse)).toEqual({
      responses: [{ name: 'events', partitionResponses: [appended] }],
      throttleTimeMs: 9,
    });
    const fetched = {
      partition: 3,
      errorCode: 0,
      highWatermark: 2n ** 42n,
      lastStableOffset: 2n ** 41n,
      logStartOffset: 7n,
      aborted: [{ producerId: 5n, firstOffset: 6n }],
      preferredReadReplica: -1,
      records: encodeBatch([{ value: Buffer.from('value') }], 1_000),
    };
    const answer = { throttleTimeMs: 9, errorCode: 0, sessionId: 11, topics: [{ topicId, partitions: [fetched] }] };
    expect(readByLibrary(protocol.fetch, answer, fetchV13.parseResponse)).toMatchObject({
      throttleTimeMs: 9,
      sessionId: 11,
      responses: [
        {
          topicId,
          partitions: [
            {
              partitionIndex: 3,
              highWatermark: 2n ** 42n,
              lastStableOffset: 2n ** 41n,
              logStartOffset: 7n,
              abortedTransactions: [{ producerId: 5n, firstOffset: 6n }],
              preferredReadReplica: -1,
              records: [{ records: [{ value: Buffer.from('value') }] }],
            },
          ],
        },
      ],
    });
  });

  it('about membership', () => {
    const alive = { throttleTimeMs: 5, errorCode: 0 };
    expect(readByLibrary(protocol.heartbeat, alive, heartbeatV4.parseResponse)).toEqual(alive);
    const synced = { ...alive, protocolType: 'consumer', protocolName: 'even', assignment: Buffer.from([1, 2]) };
    expect(readByLibrary(protocol.syncGroup, synced, syncGroupV5.parseResponse)).toEqual(synced);
    const gone = { ...alive, members: [{ memberId: 'm', groupInstanceId: null, errorCode: 0 }] };
    expect(readByLibrary(protocol.leaveGroup, gone, leaveGroupV5.parseResponse)).toEqual(gone);
    const committed = { throttleTimeMs: 5, topics: [{ name: 'e', partitions: [{ partitionIndex: 1, errorCode: 0 }] }] };
    expect(readByLibrary(protocol.offsetCommit, committed, offsetCommitV8.parseResponse)).toEqual(committed);
    const group = {
      errorCode: 0,
      groupId: 'g',
      groupState: 'Empty',
      protocolType: 'consumer',
      protocolData: '',
      members: [],
      authorizedOperations: 8,
    };
    const described = { throttleTimeMs: 5, groups: [group] };
    expect(readByLibrary(protocol.describeGroups, described, describeGroupsV5.parseResponse)).toMatchObject({
      throttleTimeMs: 5,
      groups: [{ groupId: 'g', groupState: 'Empty', authorizedOperations: 8 }],
    });
  });

  it('about the connection', () => {
    const versions = {
      errorCode: 0,
      apiKeys: [{ apiKey: 3, minVersion: 0, maxVersion: 12 }],
      throttleTimeMs: 5,
    };
    expect(readByLibrary(apiVersions, versions, apiVersionsV3.parseResponse)).toMatchObject({
      apiKeys: [{ apiKey: 3, minVersion: 0, maxVersion: 12 }],
      throttleTimeMs: 5,
    });
    // Of a broker before 2.4: in the form of version 0.
    const old = new ByteReader(Buffer.from([0, 35, 0, 0, 0, 0]));
    expect(apiVersions.response.read(old)).toMatchObject({ errorCode: 35 });
    const mechanisms = { errorCode: 0, mechanisms: ['PLAIN', 'OAUTHBEARER'] };
    expect(readByLibrary(saslHandshake, mechanisms, saslHandshakeV1.parseResponse)).toEqual(mechanisms);
    const taken = { errorCode: 0, errorMessage: null, authBytes: Buffer.from('v=x'), sessionLifetimeMs: 3_600_000n };
    expect(readByLibrary(saslAuthenticate, taken, saslAuthenticateV2.parseResponse)).toMatchObject({
      authBytes: Buffer.from('v=x'),
      sessionLifetimeMs: 3_600_000n,
    });
  });

  it('with tagged fields, which a newer broker may add, are read past them', () => {
    const { response } = protocol.heartbeat;
    const bytes = encode(response, { throttleTimeMs: 0, errorCode: 27 });
    // Two: number 0 of three bytes, number 5 of none.
    const tagged = Buffer.concat([bytes.subarray(0, -1), Buffer.from([2, 0, 3, 9, 9, 9, 5, 0])]);
    const reader = new ByteReader(tagged);
    expect(response.read(reader)).toEqual({ throttleTimeMs: 0, errorCode: 27 });
    expect(reader.left).toBe(0);
  });

  it('that end too early, or whose lengths lie, are refused', () => {
    const whole = encode(protocol.metadata.response, {
      throttleTimeMs: 0,
      brokers: [{ nodeId: 1, host: 'a.example', port: 9092, rack: null }],
      clusterId: null,
      controllerId: 1,
      topics: [],
    });
    for (let length = 0; length < whole.length; length += 1) {
      const cut = new ByteReader(whole.subarray(0, length));
      expect(() => protocol.metadata.response.read(cut)).toThrow(RangeError);
    }
    const manyBrokers = Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    expect(() => protocol.metadata.response.read(new ByteReader(manyBrokers))).toThrow(/an array of 4294967294/);
  });
});

describe('what members of a group tell one another', () => {
  it('is what other consumers and tools read', () => {
    const wish = { version: groupProtocolVersion, topics: ['events'], userData: null, ownedPartitions: [] };
    expect(decodeConsumerProtocolSubscription(encode(subscription, wish))).toMatchObject({
      version: 1,
      topics: ['events'],
    });
    const shares = {
      version: groupProtocolVersion,
      assignedPartitions: [{ topic: 'events', partitions: [0, 2, 4] }],
      userData: null,
    };
    expect(decodeConsumerProtocolAssignment(encode(assignment, shares)).assignedPartitions).toEqual(
      shares.assignedPartitions,
    );
    expect(readBack(assignment, shares)).toEqual(shares);
  });
});

describe('messages', () => {
  it('have the numbers that the library has of them', () => {
    const theirs = [
      metadataV12,
      listOffsetsV7,
      fetchV13,
      findCoordinatorV4,
      joinGroupV9,
      syncGroupV5,
      heartbeatV4,
      leaveGroupV5,
      offsetCommitV8,
      deleteRecordsV2,
      createTopicsV7,
      createPartitionsV3,
      describeConfigsV4,
      describeGroupsV5,
      produceV9,
      apiVersionsV3,
      saslHandshakeV1,
      saslAuthenticateV2,
    ].map(({ api: { key, version } }) => [protocolAPIsById[key], key, version]);
    const ours = all.map(({ name, key, version }) => [name, key, version]);
    expect(new Set(ours.map(String))).toEqual(new Set(theirs.map(String)));
    expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
  });
});
