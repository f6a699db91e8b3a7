import { eventLogContract } from '../../testing/event-log.contract.ts';
import { makeKafkaLog } from '../../testing/kafka-harness.ts';
import { sharedBrokers } from '../../testing/stack/shared.ts';

eventLogContract('Kafka', async ({ partitions }) => makeKafkaLog(await sharedBrokers(), { partitions }));
