import { StartupError, UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { errorName } from '../protocol/error-names.ts';
import { protocol } from '../protocol/protocol.ts';
import { type Brokers, createBrokers, metadataRequest } from '../wire/brokers.ts';
import { codes, topicMissing } from '../wire/errors.ts';
import type { KafkaClientSettings } from '../wire/settings.ts';
import { pause, remainingMs, retryPauseMs } from '../wire/wait.ts';
import { type SeenTopic, seeGroup, seeTopic } from './topic-facts.ts';
import {
  durabilityOf,
  judgeTopic,
  replicationFor,
  retentionFor,
  settingsFor,
  type TopicFacts,
  type TopicFinding,
  type TopicRole,
} from './topic-rules.ts';

export interface KafkaTopicsOptions extends KafkaClientSettings {
  /** Names of the two topics. */
  readonly events: string;
  readonly failed: string;
  /** Whose members the workers are; looked at by `check`. */
  readonly group: string;
  /** How long the store keeps rows; null: for ever. */
  readonly rowsKeptMs: number | null;
}

export interface TopicsToMake {
  /** Of the events topic; the other has one. */
  readonly partitions: number;
  /** Copies of each partition: three where there are three brokers, else one on each. */
  readonly replication?: number;
  /** How long the events topic keeps records: a week, or what fits into the time that rows are kept. */
  readonly retentionMs?: number;
}

export interface TopicsReport {
  readonly topics: readonly (TopicFacts & { readonly made: boolean })[];
  /** Names of those that are not there. */
  readonly missing: readonly string[];
  readonly findings: readonly TopicFinding[];
  /** What an answered 202 rests on; null where there is no events topic. */
  readonly durability: string | null;
}

/** The topics of the program, for the commands that make them and look at them. */
export interface KafkaTopics {
  /**
   * Makes those that are missing and resolves when they can be used. What is there is looked at and left as it is:
   * another setting may cost records. May be called at any time.
   * @throws StartupError where Kafka refuses to make them
   */
  create(wanted: TopicsToMake): Promise<TopicsReport>;
  check(): Promise<TopicsReport>;
  /** How many partitions the events topic has. */
  countPartitions(): Promise<number>;
  /** Only ever more. Say `partitionsExplained` to a person first. @throws StartupError */
  raisePartitions(count: number): Promise<void>;
  close(): void;
}

/** A broker knows of a new topic a moment after the controller has made it. */
const knownEverywhereMs = 10_000;

export function openKafkaTopics(options: KafkaTopicsOptions): KafkaTopics {
  const brokers = createBrokers(options);
  const names: Readonly<Record<TopicRole, string>> = { events: options.events, failed: options.failed };
  const deadline = () => performance.now() + limits.kafkaCallTimeoutMs;

  const see = (role: TopicRole) => seeTopic(brokers, role, names[role], options.rowsKeptMs, deadline());

  function report(seen: Readonly<Record<TopicRole, SeenTopic | null>>, made: readonly string[]): TopicsReport {
    const there = [seen.events, seen.failed].filter((topic) => topic !== null);
    return {
      topics: there.map(({ facts }) => ({ ...facts, made: made.includes(facts.name) })),
      missing: (['events', 'failed'] as const).filter((role) => seen[role] === null).map((role) => names[role]),
      findings: there.flatMap(({ facts, denied }) => [...denied, ...judgeTopic(facts)]),
      durability: seen.events === null ? null : durabilityOf(seen.events.facts),
    };
  }

  /** False where somebody else has made it meanwhile. */
  async function make(role: TopicRole, wanted: TopicsToMake): Promise<boolean> {
    const answer = await brokers.metadata([], deadline());
    const replication = wanted.replication ?? replicationFor(answer.brokers.length);
    const retentionMs = wanted.retentionMs ?? retentionFor(options.rowsKeptMs);
    const settings = settingsFor(role, retentionMs, replication);
    const { rowsKeptMs } = options;
    const asMade = { name: names[role], role, partitions: 1, leaderless: 0, settings, rowsKeptMs };
    const copies = { brokers: answer.brokers.length, replication, inSync: replication };
    const wrong = judgeTopic({ ...asMade, ...copies }).find(({ level }) => level === 'wrong');
    if (wrong) throw new StartupError(`can't make the topic ${names[role]} so: ${wrong.what}; ${wrong.mend}`);
    const numPartitions = role === 'events' ? wanted.partitions : 1;
    const isMade = await changeTopics(brokers, `make the topic ${names[role]}`, async (link, leftMs) => {
      const topic = {
        name: names[role],
        numPartitions,
        replicationFactor: replication,
        assignments: [],
        configs: Object.entries(settings).map(([name, value]) => ({ name, value })),
      };
      const request = { topics: [topic], timeoutMs: Math.ceil(leftMs), validateOnly: false };
      const made = await link.call(protocol.createTopics, request, leftMs);
      return made.topics[0] ?? { errorCode: 0 };
    });
    await untilKnown(brokers, names[role], isMade ? numPartitions : 1);
    return isMade;
  }

  async function countPartitions(): Promise<number> {
    const seen = await see('events');
    if (seen === null) throw topicMissing(names.events);
    return seen.facts.partitions;
  }

  return {
    countPartitions,
    async create(wanted) {
      const before = { events: await see('events'), failed: await see('failed') };
      const made: string[] = [];
      for (const role of ['events', 'failed'] as const) {
        if (before[role] === null && (await make(role, wanted))) made.push(names[role]);
      }
      return report({ events: await see('events'), failed: await see('failed') }, made);
    },
    async check() {
      const seen = { events: await see('events'), failed: await see('failed') };
      const { findings, ...rest } = report(seen, []);
      return { ...rest, findings: [...findings, ...(await seeGroup(brokers, options.group, deadline()))] };
    },
    async raisePartitions(count) {
      const present = await countPartitions();
      if (count <= present) {
        throw new StartupError(`${names.events} has ${present} partitions; Kafka can add some, and take none away`);
      }
      await changeTopics(brokers, `give ${names.events} ${count} partitions`, async (link, leftMs) => {
        const topic = { name: names.events, count, assignments: null };
        const request = { topics: [topic], timeoutMs: Math.ceil(leftMs), validateOnly: false };
        const raised = await link.call(protocol.createPartitions, request, leftMs);
        return raised.results[0] ?? { errorCode: 0 };
      });
      await untilKnown(brokers, names.events, count);
    },
    close: () => brokers.close(),
  };
}

/** What a person is told before partitions are added. */
export function partitionsExplained(present: number, wanted: number): string {
  return (
    `A key's partition is a hash of it modulo the number of partitions. With ${wanted} instead of ${present}, most keys move to ` +
    `another one: events of a key that are sent afterwards may be stored before those sent shortly before. That happens once, ` +
    `while processes learn of it (${limits.kafkaTopicRefreshMs / 1_000} s); nothing is lost or stored twice, and from then on ` +
    'each key is in order again. Partitions can not be taken away again.'
  );
}

interface Outcome {
  readonly errorCode: number;
  readonly errorMessage?: string | null | undefined;
}

/**
 * A change is the controller's to make; a broker that is none may pass it on or name another. False: it is so already.
 */
async function changeTopics(
  brokers: Brokers,
  doing: string,
  attempt: (link: ReturnType<Brokers['link']>, leftMs: number) => Promise<Outcome>,
): Promise<boolean> {
  const deadlineAt = performance.now() + 2 * limits.kafkaCallTimeoutMs;
  for (let nth = 0; ; nth += 1) {
    await brokers.metadata([], deadlineAt);
    const link = brokers.link('ask', brokers.controllerId());
    const { errorCode, errorMessage } = await attempt(link, remainingMs(deadlineAt));
    if (errorCode === 0) return true;
    if (errorCode === codes.topicAlreadyExists) return false;
    const pauseMs = retryPauseMs(nth);
    if (errorCode !== codes.notController || performance.now() + pauseMs > deadlineAt) {
      throw new StartupError(`can't ${doing}: Kafka says ${errorMessage ?? 'no'} (${errorName(errorCode)})`);
    }
    await pause(pauseMs);
  }
}

/** Every broker has so many partitions of it, and each has a leader. */
async function untilKnown(brokers: Brokers, name: string, partitions: number): Promise<void> {
  const deadlineAt = performance.now() + knownEverywhereMs;
  const { brokers: nodes } = await brokers.metadata([name], deadlineAt);
  for (const { nodeId } of nodes) {
    for (let nth = 0; ; nth += 1) {
      const { topics } = await brokers
        .link('ask', nodeId)
        .call(protocol.metadata, metadataRequest([name]), remainingMs(deadlineAt));
      const ready = (topics[0]?.partitions ?? []).filter(({ leaderId }) => leaderId >= 0);
      if (topics[0]?.errorCode === 0 && ready.length >= partitions) break;
      if (performance.now() >= deadlineAt) {
        throw new UnavailableError('log_missing', `${name} was made, but broker ${nodeId} does not know it yet`);
      }
      await pause(retryPauseMs(nth));
    }
  }
}
