import { parentPort, workerData } from 'node:worker_threads';
import { openSegmentLogReader } from '../event-log/segment/event-log.segment.ts';

/** Posts the text of every record of partition 0, as it comes; says `closed` when its assignment has ended. */
const { directory, shared, partitions } = workerData as {
  directory: string;
  shared: SharedArrayBuffer;
  partitions: number;
};
const log = openSegmentLogReader({ directory, shared, partitions });
const consumer = await log.join();
for await (const { ended, open } of consumer.assignments()) {
  const stream = await open(new Map([[0, 0]]));
  parentPort?.postMessage('joined');
  try {
    for (;;) {
      const { records } = await stream.next(0, { recordsMax: 100, bytesMax: 1024 ** 2 }, 60_000, ended);
      for (const { value } of records) parentPort?.postMessage(Buffer.from(value).toString());
    }
  } catch (error) {
    if (!ended.aborted) throw error;
  }
  break;
}
await log.close();
parentPort?.postMessage('closed');
