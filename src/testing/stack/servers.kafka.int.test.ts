import { Admin, ProduceAcks, Producer } from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from './free-port.ts';
import { type KafkaServer, startKafka } from './kafka.ts';
import { runKafkaTool } from './kafka-tool.ts';
import { startProxy, type TcpProxy } from './proxy.ts';
import { freshTopicName } from './shared.ts';
import { waitUntil } from './wait-until.ts';

describe('Kafka of the native stack, behind a proxy', () => {
  let server: KafkaServer;
  let proxy: TcpProxy;
  const topic = freshTopicName();

  beforeAll(async () => {
    const port = await freePort();
    proxy = await startProxy({ targetPort: port });
    server = await startKafka({
      port,
      advertisedPort: proxy.port,
      settings: { 'group.min.session.timeout.ms': 1_000 },
    });
    await withAdmin((admin) => admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }));
  });

  afterAll(async () => {
    await server.dispose();
    await proxy.close();
  });

  async function withAdmin<Result>(work: (admin: Admin) => Promise<Result>): Promise<Result> {
    const admin = new Admin({ clientId: 'test', bootstrapBrokers: [server.directBrokers], timeout: 10_000 });
    try {
      return await work(admin);
    } finally {
      await admin.close();
    }
  }

  const endOffset = () =>
    withAdmin(async (admin) => {
      const [listed] = await admin.listOffsets({
        topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1n }] }],
      });
      return listed!.partitions[0]!.offset;
    });

  function createProducer(): Producer<Buffer, Buffer, Buffer, Buffer> {
    return new Producer({ clientId: 'test', bootstrapBrokers: [server.brokers], acks: ProduceAcks.ALL, retries: 0 });
  }

  const send = (producer: Producer<Buffer, Buffer, Buffer, Buffer>, value: string) =>
    producer.send({ messages: [{ topic, partition: 0, value: Buffer.from(value) }] });

  it('takes the settings it was started with', async () => {
    const configs = await withAdmin((admin) =>
      admin.describeConfigs({
        resources: [{ resourceType: 4, resourceName: '1', configurationKeys: ['group.min.session.timeout.ms'] }],
      }),
    );
    expect(configs[0]!.configs[0]).toMatchObject({ value: '1000' });
  });

  it('sends clients through the proxy, where a hole keeps them waiting', async () => {
    const producer = createProducer();
    try {
      await send(producer, 'first');
      expect(proxy.connections()).toBeGreaterThan(0);

      proxy.hole();
      let isConfirmed = false;
      const sending = send(producer, 'second').then(() => {
        isConfirmed = true;
      });
      // Past the proxy the broker answers as ever, and has nothing of it.
      expect(await endOffset()).toBe(1n);
      expect(isConfirmed).toBe(false);

      proxy.heal();
      await sending;
      expect(await endOffset()).toBe(2n);
    } finally {
      await producer.close();
    }
  });

  it('keeps what it has acknowledged over a kill and over a stop', async () => {
    const producer = createProducer();
    await send(producer, 'before the kill');
    await producer.close();
    const before = await endOffset();

    await server.kill();
    await expect(runOnce()).rejects.toThrow();
    await server.start();
    expect(await endOffset()).toBe(before);

    await server.stop();
    await server.start();
    expect(await endOffset()).toBe(before);
    await runOnce();
    expect(await endOffset()).toBe(before + 1n);
  });

  /** A producer of its own: what the client remembers of a broker that went away is not what this is about. */
  async function runOnce(): Promise<void> {
    const producer = createProducer();
    try {
      await send(producer, 'once');
    } finally {
      await producer.close();
    }
  }

  it("Kafka's own tools reach it", async () => {
    await runKafkaTool(
      'org.apache.kafka.tools.ConsoleProducer',
      ['--bootstrap-server', server.brokers, '--topic', topic],
      'from the console\n',
    );
    const count = String(await endOffset());
    const said = await runKafkaTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      ...['--bootstrap-server', server.brokers, '--topic', topic, '--from-beginning'],
      ...['--max-messages', count, '--timeout-ms', '60000'],
    ]);
    expect(said.split('\n')).toEqual(expect.arrayContaining(['first', 'second', 'from the console']));
  });

  it('is silent while it is suspended', async () => {
    server.suspend();
    const admin = new Admin({
      clientId: 'test',
      bootstrapBrokers: [server.directBrokers],
      requestTimeout: 1_000,
      retries: 0,
    });
    try {
      await expect(admin.metadata({ topics: [], forceUpdate: true })).rejects.toThrow();
    } finally {
      await admin.close();
      server.resume();
    }
    await waitUntil('it to answer again', async () => (await endOffset()) > 0n);
  });
});
