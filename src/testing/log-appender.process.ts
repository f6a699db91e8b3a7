import { writeSync } from 'node:fs';
import { createSegmentEventLog } from '../event-log/segment/event-log.segment.ts';

/**
 * Appends to the log in argv[2] until it is killed, and tells standard output of each record that was answered:
 * `partition offset text`. Texts begin with argv[3].
 */
const [directory, prefix] = [process.argv[2]!, process.argv[3]!];
const partitions = 3;
const log = await createSegmentEventLog({ directory, partitions, segmentBytesMax: 64 * 1024 });

for (let group = 0; ; group += 1) {
  const texts = Array.from({ length: 1 + (group % 20) }, (_, index) => `${prefix}.${group}.${index}`);
  const records = texts.map((text, index) => ({
    partition: (group + index) % partitions,
    value: Buffer.from(text.padEnd((group * 37) % 3_000)),
  }));
  const positions = await log.append(records);
  // At once and whole: what is not told was not answered.
  writeSync(1, positions.map(({ partition, offset }, index) => `${partition} ${offset} ${texts[index]}\n`).join(''));
  if (group % 50 === 49) await log.trim(0, positions[0]!.offset - 400);
}
