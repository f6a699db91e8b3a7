import {
  type KafkaTopics,
  openKafkaTopics,
  partitionsExplained,
  type TopicsReport,
} from '../../event-log/kafka/topics/topics.ts';
import type { ProductionConfig } from '../config/config.production.ts';
import type { Config } from '../config/config.ts';
import { connectionOf } from './compose.production.ts';

/** Kafka's topics, for the commands that make them and look at them. */
export type Topics = KafkaTopics;
export type { TopicsReport };

export function openTopics({ retentionMs }: Config, { kafka }: ProductionConfig): Topics {
  return openKafkaTopics({
    ...connectionOf(kafka),
    events: kafka.topic,
    failed: kafka.failedTopic,
    group: kafka.group,
    rowsKeptMs: retentionMs,
  });
}

export const explainPartitions = partitionsExplained;
