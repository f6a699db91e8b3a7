import { afterAll, beforeAll } from 'vitest';
import { eventLogContract } from '../testing/event-log.contract.ts';
import { makeKafkaLog } from '../testing/kafka-harness.ts';
import { type KafkaServer, startKafka } from '../testing/stack/kafka.ts';

let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
}, 120_000);
afterAll(() => kafka?.dispose());

eventLogContract('Kafka', ({ partitions }) => makeKafkaLog(kafka.brokers, { partitions }));
