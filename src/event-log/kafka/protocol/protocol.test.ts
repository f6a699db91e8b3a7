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
  saslAuthenticateV2,
  saslHandshakeV1,
  syncGroupV5,
  type Writer,
} from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { readBack } from '../../../testing/read-back.ts';
import { readBatches } from '../wire/decode-batch.ts';
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
