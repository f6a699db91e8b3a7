import { UnavailableError } from '../../../domain/failure.ts';
import { findCoordinator } from '../group/coordinator.ts';
import { protocol } from '../protocol/protocol.ts';
import type { MetadataTopic } from '../protocol/topic-messages.ts';
import type { Brokers } from '../wire/brokers.ts';
import { codes, isDenial, refused } from '../wire/errors.ts';
import type { Endpoint } from '../wire/settings.ts';
import { remainingMs } from '../wire/wait.ts';
import { settingsLookedAt, type TopicFacts, type TopicFinding, type TopicRole } from './topic-rules.ts';

/** A topic as the cluster tells it, and what of it this client may not do. */
export interface SeenTopic {
  readonly facts: TopicFacts;
  readonly denied: readonly TopicFinding[];
}

/** Bits of Kafka's authorized operations. */
const operations = { read: 3, write: 4, describe: 8 } as const;
/** Kafka's number of the kind of thing that has settings. */
const topicResource = 2;
const operationsUnknown = -(2 ** 31);

const needed: Readonly<Record<TopicRole, readonly (keyof typeof operations)[]>> = {
  events: ['read', 'write', 'describe'],
  failed: ['write', 'describe'],
};

/** Null where the topic is not there. @throws UnavailableError */
export async function seeTopic(
  brokers: Brokers,
  role: TopicRole,
  name: string,
  rowsKeptMs: number | null,
  deadlineAt: number,
): Promise<SeenTopic | null> {
  const answer = await brokers.metadata([name], deadlineAt, true);
  const topic = answer.topics[0];
  if (topic === undefined || topic.errorCode === codes.unknownTopicOrPartition) return null;
  if (topic.errorCode !== 0 && topic.errorCode !== codes.leaderNotAvailable) {
    throw refused(`look at the topic ${name}`, topic.errorCode);
  }
  const { partitions } = topic;
  const facts: TopicFacts = {
    name,
    role,
    brokers: answer.brokers.length,
    partitions: partitions.length,
    replication: Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length)),
    inSync: Math.min(...partitions.map(({ isrNodes }) => isrNodes.length)),
    leaderless: partitions.filter(({ leaderId }) => leaderId < 0).length,
    settings: await readSettings(brokers, name, deadlineAt),
    rowsKeptMs,
  };
  return { facts, denied: deniedOn(topic, role, name) };
}

/** Null where they may not be looked at. */
async function readSettings(
  brokers: Brokers,
  name: string,
  deadlineAt: number,
): Promise<Readonly<Record<string, string>> | null> {
  const resource = {
    resourceType: topicResource,
    resourceName: name,
    configurationKeys: [...settingsLookedAt],
  };
  const request = { resources: [resource], includeSynonyms: false, includeDocumentation: false };
  const answer = await brokers.ask(protocol.describeConfigs, request, deadlineAt);
  const result = answer.results[0];
  if (result === undefined || isDenial(result.errorCode)) return null;
  if (result.errorCode !== 0) throw refused(`look at the settings of ${name}`, result.errorCode);
  return Object.fromEntries(result.configs.map((config) => [config.name, config.value ?? '']));
}

function deniedOn(topic: MetadataTopic, role: TopicRole, name: string): TopicFinding[] {
  const missing = missingOf(topic.topicAuthorizedOperations, needed[role]);
  if (missing.length === 0) return [];
  const mend = `allow ${missing.join(', ')} on topic ${name} (kafka-acls --add)`;
  return [{ topic: name, level: 'wrong', what: `this user may not ${missing.join(', ')} it`, mend }];
}

function missingOf(allowed: number, wanted: readonly (keyof typeof operations)[]): string[] {
  if (allowed === operationsUnknown) return [];
  return wanted.filter((operation) => (allowed & (1 << operations[operation])) === 0);
}

/** Whether this client may be a member of the group. @throws UnavailableError */
export async function seeGroup(brokers: Brokers, group: string, deadlineAt: number): Promise<readonly TopicFinding[]> {
  const mend = `allow read on group ${group} (kafka-acls --add)`;
  const deniedGroup: TopicFinding = { topic: group, level: 'wrong', what: 'this user may not join the group', mend };
  let coordinator: Endpoint;
  try {
    coordinator = await findCoordinator(brokers, group, deadlineAt);
  } catch (error) {
    if (error instanceof UnavailableError && error.code === 'log_denied') return [deniedGroup];
    throw error;
  }
  const link = brokers.openLink(coordinator);
  try {
    const request = { groups: [group], includeAuthorizedOperations: true };
    const answer = await link.call(protocol.describeGroups, request, remainingMs(deadlineAt));
    const described = answer.groups[0];
    if (described === undefined) return [];
    if (isDenial(described.errorCode)) return [deniedGroup];
    return missingOf(described.authorizedOperations, ['read']).length > 0 ? [deniedGroup] : [];
  } finally {
    link.close();
  }
}
