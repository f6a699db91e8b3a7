import { createKafkaEventLog } from '../event-log/kafka/event-log.kafka.ts';

/**
 * A member of the group in a process of its own, for tests that kill it or stop its clock. Says, a line each:
 * `assigned 0,1,2`, `ended`, and every record that it reads, as `read PARTITION OFFSET`; it reads each assignment from
 * the start.
 */
const [brokers, topic, group, sessionTimeoutMs] = process.argv.slice(2) as [string, string, string, string];
const say = (line: string) => process.stdout.write(`${line}\n`);

const log = await createKafkaEventLog({
  brokers: [brokers],
  clientId: 'member',
  topic,
  group,
  sessionTimeoutMs: Number(sessionTimeoutMs),
  heartbeatMs: Math.floor(Number(sessionTimeoutMs) / 5),
});
process.once('SIGTERM', () => void log.close());
const consumer = await log.join();
for await (const { partitions, ended, open } of consumer.assignments()) {
  say(`assigned ${partitions.join(',')}`);
  const stream = await open(new Map(partitions.map((partition) => [partition, 0])));
  const reading = partitions.map(async (partition) => {
    for (;;) {
      const { records } = await stream.next(partition, { recordsMax: 100, bytesMax: 1e6 }, 60_000, ended);
      for (const { offset } of records) say(`read ${partition} ${offset}`);
    }
  });
  await Promise.allSettled(reading);
  await stream.close();
  say('ended');
}
