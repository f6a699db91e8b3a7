import { Admin, ConfigResourceTypes, IncrementalAlterConfigOperationTypes } from '@platformatic/kafka';
import type { EventLog } from '../event-log/event-log.ts';
import { createKafkaEventLog, type KafkaEventLogOptions } from '../event-log/kafka/event-log.kafka.ts';
import type { EventLogHarness } from './event-log.contract.harness.ts';
import { freshTopicName } from './stack/shared.ts';
import { waitUntil } from './stack/wait-until.ts';

/** Heartbeats are what tells a member of a rebalance: often, so that a test does not wait for the next one. */
const heartbeatMs = 200;

export type KafkaLogSettings = Partial<Omit<KafkaEventLogOptions, 'brokers'>>;

/** A topic of its own on a broker that runs, and everything that was opened on it. */
export interface KafkaLogHarness extends EventLogHarness {
  readonly topic: string;
  readonly group: string;
  /** The client library's own tool, as another one's view of the same broker. */
  readonly admin: Admin;
  open(settings?: KafkaLogSettings): Promise<EventLog>;
}

export interface KafkaTopicOptions {
  readonly partitions: number;
  /** The topic's. */
  readonly settings?: Readonly<Record<string, string>>;
  /** A way in for the tool, past a proxy. */
  readonly directBrokers?: string;
}

export async function makeKafkaLog(brokers: string, options: KafkaTopicOptions): Promise<KafkaLogHarness> {
  const topic = freshTopicName();
  const group = `esp-${topic}`;
  const connection = { brokers: [brokers], clientId: 'test' };
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [options.directBrokers ?? brokers], retries: 0 });
  const configs = Object.entries(options.settings ?? {}).map(([name, value]) => ({ name, value }));
  await admin.createTopics({ topics: [topic], partitions: options.partitions, replicas: 1, configs });
  // Made by the controller, it is known to the broker a moment later.
  await waitUntil('the topic', async () => (await admin.listTopics()).includes(topic));
  const opened: EventLog[] = [];
  const open = async (settings: KafkaLogSettings = {}) => {
    const log = await createKafkaEventLog({ ...connection, topic, group, heartbeatMs, ...settings });
    opened.push(log);
    return log;
  };
  return {
    topic,
    group,
    admin,
    open,
    openReader: open,
    async dispose() {
      await Promise.all(opened.map((log) => log.close()));
      await admin.close();
    },
  };
}

export async function changeTopic(
  admin: Admin,
  topic: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  const configs = Object.entries(settings).map(([name, value]) => {
    return { name, value, configOperation: IncrementalAlterConfigOperationTypes.SET };
  });
  await admin.incrementalAlterConfigs({
    resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configs }],
  });
}
