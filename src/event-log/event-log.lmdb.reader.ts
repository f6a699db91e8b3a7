import { UnavailableError } from '../domain/failure.ts';
import { createLmdbConsumer } from './event-log.lmdb.consumer.ts';
import {
  assertPartition,
  batchFrom,
  closedError,
  type LogDatabase,
  readFresh,
  readMeta,
  readOffsets,
  startsKey,
} from './event-log.lmdb.file.ts';
import type { LogMarks } from './event-log.lmdb.marks.ts';
import { type BatchSource, fillTake, recordOf } from './event-log.lmdb.take.ts';
import type { GapFinding, LogConsumer, LogDescription, LogReader } from './event-log.ts';

export interface LmdbReader extends LogReader {
  /** Ends every wait and every consumer. */
  end(): Promise<void>;
}

export function createLmdbReader(database: LogDatabase, marks: LogMarks, partitions: number): LmdbReader {
  const consumers = new Set<LogConsumer>();
  let isClosed = false;

  function assertUsable(partition?: number): void {
    if (isClosed) throw closedError();
    if (partition !== undefined) assertPartition(partition, partitions);
  }

  const source: BatchSource = {
    marks,
    partitions,
    fill(take, partition, limits) {
      assertUsable(partition);
      readFresh(database, () => fillTake(database, marks, take, partition, limits));
    },
  };

  return {
    partitions,
    async describe(): Promise<LogDescription> {
      assertUsable();
      return readFresh(database, () => {
        const meta = readMeta(database);
        if (meta === null) throw new UnavailableError('log_corrupt', 'the log has lost its description');
        const starts = readOffsets(database, startsKey, partitions);
        const bounds = starts.map((start, partition) => ({ partition, start, end: marks.end(partition) }));
        return { logId: meta.logId, partitions: bounds };
      });
    },

    async recordAt(partition, offset) {
      assertUsable(partition);
      if (offset < marks.start(partition) || offset >= marks.end(partition)) return null;
      const batch = readFresh(database, () => batchFrom(database, partition, offset));
      if (batch === null || batch.base > offset) return null;
      return recordOf(batch, partition, offset);
    },

    async examineGap(partition, from, to): Promise<GapFinding> {
      assertUsable(partition);
      // One snapshot tells both, so that what trimming removes meanwhile is not taken for a place that never had data.
      return readFresh(database, () => {
        const start = readOffsets(database, startsKey, partitions)[partition]!;
        if (start > from) return { kind: 'trimmed', start };
        const end = Math.min(to, marks.end(partition));
        const batch = from < end ? batchFrom(database, partition, from) : null;
        return { kind: batch !== null && batch.base < end ? 'data' : 'no_data' };
      });
    },

    async join() {
      assertUsable();
      const consumer = createLmdbConsumer(source, () => consumers.delete(consumer));
      consumers.add(consumer);
      return consumer;
    },

    async end() {
      isClosed = true;
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      // Lets go of the wait for announcements.
      marks.announce();
    },
  };
}
