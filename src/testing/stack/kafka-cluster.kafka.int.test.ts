import { Admin, ProduceAcks, Producer } from '@platformatic/kafka';
import { describe, expect, it } from 'vitest';
import { startKafkaCluster } from './kafka-cluster.ts';
import { freshTopicName } from './shared.ts';
import { waitUntil } from './wait-until.ts';

describe('Kafka of the native stack, three brokers', () => {
  // Four starts of a JVM.
  const timeout = 300_000;
  const slow = { timeoutMs: 60_000 };

  it('replicates, and takes acks=all with one of them killed', { timeout }, async () => {
    await using cluster = await startKafkaCluster();
    const topic = freshTopicName();
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: cluster.brokers.split(','), requestTimeout: 10_000 });
    const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
      clientId: 'test',
      bootstrapBrokers: cluster.brokers.split(','),
      acks: ProduceAcks.ALL,
    });
    const inSync = async () => {
      const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
      return topics.get(topic)!.partitions[0]!.isr.toSorted();
    };
    try {
      await admin.createTopics({
        topics: [topic],
        partitions: 1,
        replicas: 3,
        configs: [{ name: 'min.insync.replicas', value: '2' }],
      });
      await waitUntil('all three to be in sync', async () => (await inSync()).length === 3, slow);

      await cluster.nodes[2]!.kill();
      await waitUntil('the killed one to be missed', async () => (await inSync()).length === 2, slow);
      expect(await inSync()).toEqual([1, 2]);
      const { offsets } = await producer.send({ messages: [{ topic, partition: 0, value: Buffer.from('safe') }] });
      expect(offsets![0]!.offset).toBe(0n);

      await cluster.nodes[2]!.start();
      await waitUntil('it to have caught up', async () => (await inSync()).length === 3, slow);
    } finally {
      await producer.close();
      await admin.close();
    }
  });
});
