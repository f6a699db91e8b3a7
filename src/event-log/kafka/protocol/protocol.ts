import {
  describeGroups,
  findCoordinator,
  heartbeat,
  joinGroup,
  leaveGroup,
  offsetCommit,
  syncGroup,
} from './group-messages.ts';
import { deleteRecords, fetch, listOffsets, produce } from './record-messages.ts';
import { createPartitions, createTopics, describeConfigs, metadata } from './topic-messages.ts';

/**
 * What this program says to Kafka, and in which version of each: one that every broker from 3.5 to 4.x speaks, with
 * topic ids in Metadata and Fetch. docs/decisions/0006-kafka-by-its-protocol.md says why it speaks for itself. The
 * fields and their order are those of Kafka's own definitions (clients/src/main/resources/common/message), as far as
 * the version has them.
 */
export const protocol = {
  metadata,
  listOffsets,
  produce,
  fetch,
  findCoordinator,
  joinGroup,
  syncGroup,
  heartbeat,
  leaveGroup,
  offsetCommit,
  deleteRecords,
  createTopics,
  createPartitions,
  describeConfigs,
  describeGroups,
} as const;

export const oldestKafka = '3.5';
