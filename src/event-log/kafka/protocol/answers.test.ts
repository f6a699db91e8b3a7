import {
  apiVersionsV3,
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
  Reader,
  saslAuthenticateV2,
  saslHandshakeV1,
  syncGroupV5,
} from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { readBack } from '../../../testing/read-back.ts';
import { encodeBatch } from '../wire/encode-batch.ts';
import { ByteReader, encode } from './codec.ts';
import { apiVersions, saslAuthenticate, saslHandshake } from './connection-messages.ts';
import type { Message } from './message.ts';
import { protocol } from './protocol.ts';

const topicId = '00112233-4455-6677-8899-aabbccddeeff';

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
