import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { noUuid } from '../protocol/codec.ts';
import type { MetadataTopic } from '../protocol/topic-messages.ts';
import type { Brokers } from '../wire/brokers.ts';
import { codes, isPassing, refused, topicMissing } from '../wire/errors.ts';
import type { BrokerLink } from '../wire/link.ts';
import { pause, retryPauseMs } from '../wire/wait.ts';

/** One topic as the cluster has it: who leads its partitions, and which topic it is. */
export interface Topic {
  readonly name: string;
  /** As it was learnt last. */
  view(): TopicView;
  /** Asks now. @throws UnavailableError where no broker answers by then, or the topic is not there */
  refresh(deadlineAt: number): Promise<TopicView>;
  /**
   * Asks the leader of a partition, and the next leader where it has moved, until the deadline.
   * @throws UnavailableError
   */
  onLeader<T>(partition: number, deadlineAt: number, attempt: LeaderAttempt<T>): Promise<T>;
  /** Told when the number of partitions, or the topic itself, has become another. */
  onChange(listener: () => void): void;
  /** Looks every so often. */
  watch(everyMs: number): void;
  close(): void;
}

export interface TopicView {
  /** Drawn by Kafka when the topic is made. */
  readonly id: string;
  /** By partition number; −1 where there is no leader. */
  readonly leaders: readonly Leader[];
}

export interface Leader {
  readonly nodeId: number;
  readonly epoch: number;
}

/** Answers the value, or Kafka's error code. */
export type LeaderAttempt<T> = (
  link: BrokerLink,
  leader: Leader,
  view: TopicView,
) => Promise<{ readonly value: T } | { readonly errorCode: number }>;

export async function openTopic(brokers: Brokers, name: string): Promise<Topic> {
  let current = await ask(performance.now() + limits.kafkaCallTimeoutMs);
  let timer: NodeJS.Timeout | null = null;
  let refreshing: Promise<unknown> | null = null;
  const listeners: (() => void)[] = [];

  async function ask(deadlineAt: number): Promise<TopicView> {
    const { topics } = await brokers.metadata([name], deadlineAt);
    return viewOf(name, topics[0]);
  }

  async function refresh(deadlineAt: number): Promise<TopicView> {
    const before = current;
    current = await ask(deadlineAt);
    if (before.id !== current.id || before.leaders.length !== current.leaders.length) {
      for (const listener of listeners) listener();
    }
    return current;
  }

  /** One at a time is enough for who only wants to know where the leaders are. */
  async function refreshOnce(deadlineAt: number): Promise<void> {
    refreshing ??= refresh(deadlineAt).finally(() => {
      refreshing = null;
    });
    await refreshing.catch(() => undefined);
  }

  async function onLeader<T>(partition: number, deadlineAt: number, attempt: LeaderAttempt<T>): Promise<T> {
    for (let nth = 0; ; nth += 1) {
      const outcome = await attemptOnce(partition, attempt);
      if ('value' in outcome) return outcome.value;
      const pauseMs = retryPauseMs(nth);
      if (!outcome.isPassing || performance.now() + pauseMs >= deadlineAt) throw outcome.error;
      await pause(pauseMs);
      await refreshOnce(deadlineAt);
    }
  }

  async function attemptOnce<T>(
    partition: number,
    attempt: LeaderAttempt<T>,
  ): Promise<{ value: T } | { error: UnavailableError; isPassing: boolean }> {
    const leader = current.leaders[partition];
    try {
      if (leader === undefined) throw new UnavailableError('log_missing', `${name} has no partition ${partition}`);
      if (leader.nodeId < 0) throw new UnavailableError('log_leaderless', `${name}/${partition} has no leader now`);
      const outcome = await attempt(brokers.link('ask', leader.nodeId), leader, current);
      if ('value' in outcome) return outcome;
      return {
        error: refused(`read ${name}/${partition}`, outcome.errorCode),
        isPassing: isPassing(outcome.errorCode),
      };
    } catch (error) {
      if (error instanceof UnavailableError) return { error, isPassing: error.code !== 'log_closed' };
      throw error;
    }
  }

  return {
    name,
    view: () => current,
    refresh,
    onLeader,
    onChange(listener) {
      listeners.push(listener);
    },
    watch(everyMs) {
      timer ??= setInterval(() => void refreshOnce(performance.now() + limits.kafkaCallTimeoutMs), everyMs).unref();
    },
    close() {
      if (timer !== null) clearInterval(timer);
    },
  };
}

/** @throws UnavailableError for a topic that is not there, or whose id the broker does not tell */
function viewOf(name: string, topic: MetadataTopic | undefined): TopicView {
  if (topic === undefined || topic.errorCode === codes.unknownTopicOrPartition) throw topicMissing(name);
  if (topic.errorCode !== 0 && topic.errorCode !== codes.leaderNotAvailable) {
    throw refused(`look at the topic ${name}`, topic.errorCode);
  }
  if (topic.topicId === noUuid) {
    throw new UnavailableError('log_unsupported', `Kafka does not tell the id of the topic ${name}`);
  }
  // While it is being made. Nothing that appends may ever meet a log of no partitions.
  if (topic.partitions.length === 0) {
    throw new UnavailableError('log_leaderless', `Kafka tells of no partitions of the topic ${name}`);
  }
  const leaders: Leader[] = new Array(topic.partitions.length).fill({ nodeId: -1, epoch: -1 });
  for (const { partitionIndex, leaderId, leaderEpoch } of topic.partitions) {
    leaders[partitionIndex] = { nodeId: leaderId, epoch: leaderEpoch };
  }
  return { id: topic.topicId, leaders };
}
