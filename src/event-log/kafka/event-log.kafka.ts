import { limits } from '../../domain/limits.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { EventLog, LogConsumer } from '../event-log.ts';
import { createKafkaAppender } from './append.ts';
import { createKafkaConsumer } from './consumer.ts';
import { createCoordinator } from './group/coordinator.ts';
import { createGroupMember, type GroupMember } from './group/member.ts';
import { createKafkaQuestions } from './questions.ts';
import { openTopic } from './topics/topic.ts';
import { createBrokers } from './wire/brokers.ts';
import { atStart, closedError } from './wire/errors.ts';
import type { KafkaClientSettings } from './wire/settings.ts';

export interface KafkaEventLogOptions extends KafkaClientSettings {
  /** It must be there: `esp topics create` makes it. */
  readonly topic: string;
  /** All processes that work one store are members of one group. */
  readonly group: string;
  readonly telemetry?: Pick<Telemetry, 'emit'>;
  readonly sessionTimeoutMs?: number;
  readonly heartbeatMs?: number;
  readonly topicRefreshMs?: number;
}

const noTelemetry: Pick<Telemetry, 'emit'> = { emit: () => undefined };

/**
 * The event log on Apache Kafka: one topic. Connections are made when they are needed.
 * @throws StartupError where the topic is not there, or Kafka is too old or denies it
 * @throws UnavailableError where no broker answers
 */
export async function createKafkaEventLog(options: KafkaEventLogOptions): Promise<EventLog> {
  const { telemetry = noTelemetry } = options;
  const brokers = createBrokers(options);
  const topic = await openTopic(brokers, options.topic).catch((error: unknown) => {
    brokers.close();
    throw atStart(error);
  });
  topic.watch(options.topicRefreshMs ?? limits.kafkaTopicRefreshMs);
  const { bounds, ...questions } = createKafkaQuestions(brokers, topic);
  const appender = createKafkaAppender(brokers, topic);
  const members = new Set<GroupMember>();
  const consumers = new Set<LogConsumer>();
  let closing: Promise<void> | null = null;
  topic.onChange(() => {
    for (const member of members) member.partitionsChanged(topic.view().leaders.length);
  });

  async function join(): Promise<LogConsumer> {
    const settings = {
      group: options.group,
      topic: topic.name,
      sessionTimeoutMs: options.sessionTimeoutMs ?? limits.kafkaSessionTimeoutMs,
      heartbeatMs: options.heartbeatMs ?? limits.kafkaHeartbeatMs,
      rebalanceTimeoutMs: limits.kafkaRebalanceTimeoutMs,
    };
    const coordinator = createCoordinator(brokers, settings);
    const countPartitions = async () => {
      return (await topic.refresh(performance.now() + limits.kafkaCallTimeoutMs)).leaders.length;
    };
    const member = createGroupMember({
      ...settings,
      coordinator,
      countPartitions,
      releaseMs: limits.kafkaReleaseMs,
      telemetry,
    });
    members.add(member);
    const onClose = () => {
      members.delete(member);
      consumers.delete(consumer);
    };
    const consumer = createKafkaConsumer({ brokers, topic, questions: { bounds }, member, onClose });
    consumers.add(consumer);
    try {
      await member.start();
    } catch (error) {
      await consumer.close();
      throw error;
    }
    return consumer;
  }

  async function close(): Promise<void> {
    topic.close();
    await Promise.all([appender.end(), ...[...consumers].map((consumer) => consumer.close())]);
    brokers.close();
  }

  /** Asked once it is closed, it would ask Kafka in vain for some seconds. */
  function whileOpen<Arguments extends unknown[], Result>(
    call: (...args: Arguments) => Promise<Result>,
  ): (...args: Arguments) => Promise<Result> {
    return async (...args) => {
      if (closing !== null) throw closedError();
      return call(...args);
    };
  }

  return {
    get partitions() {
      return appender.partitions;
    },
    lanes: appender.lanes,
    laneOf: appender.laneOf,
    append: appender.append,
    trim: whileOpen(questions.trim),
    describe: whileOpen(questions.describe),
    recordAt: whileOpen(questions.recordAt),
    examineGap: whileOpen(questions.examineGap),
    join: whileOpen(join),
    close() {
      closing ??= close();
      return closing;
    },
  };
}
