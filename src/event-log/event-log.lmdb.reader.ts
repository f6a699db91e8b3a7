import { UnavailableError } from '../domain/failure.ts';
import { createLmdbConsumer } from './event-log.lmdb.consumer.ts';
import { assertPartition, batchFrom, closedError, readOffsets, startsKey } from './event-log.lmdb.file.ts';
import type { LogHandle } from './event-log.lmdb.handle.ts';
import type { LogMarks } from './event-log.lmdb.marks.ts';
import { type BatchSource, fillTake, recordOf } from './event-log.lmdb.take.ts';
import type { GapFinding, LogConsumer, LogDescription, LogReader } from './event-log.ts';

export interface LmdbReader extends LogReader {
  /** Ends every wait and every consumer. */
  end(): Promise<void>;
}

export function createLmdbReader(handle: LogHandle, marks: LogMarks, partitions: number): LmdbReader {
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
      const before = take.bytes;
      handle.read((database) => fillTake(database, marks, take, partition, limits));
      handle.touch(take.bytes - before);
    },
  };

  return {
    partitions,
    async describe(): Promise<LogDescription> {
      assertUsable();
      // The marks are as fresh as the file, and the file is this process's own.
      const bounds = Array.from({ length: partitions }, (_, partition) => {
        return { partition, start: marks.start(partition), end: marks.end(partition) };
      });
      return { logId: marks.logId, partitions: bounds };
    },

    async recordAt(partition, offset) {
      assertUsable(partition);
      if (offset < marks.start(partition) || offset >= marks.end(partition)) return null;
      const batch = handle.read((database) => batchFrom(database, partition, offset));
      if (batch === null || batch.base > offset) return null;
      return recordOf(batch, partition, offset);
    },

    async examineGap(partition, from, to): Promise<GapFinding> {
      assertUsable(partition);
      // One snapshot tells both, so that what trimming removes meanwhile is not taken for a place that never had data.
      return handle.read((database) => {
        const start = readOffsets(database, startsKey, partitions)[partition]!;
        if (start > from) return { kind: 'trimmed', start };
        const end = marks.end(partition);
        if (to > end) throw new UnavailableError('log_behind', `partition ${partition} ends at ${end}, before ${to}`);
        const batch = from < to ? batchFrom(database, partition, from) : null;
        return { kind: batch !== null && batch.base < to ? 'data' : 'no_data' };
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
