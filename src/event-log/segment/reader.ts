import { DamagedError, UnavailableError } from '../../domain/failure.ts';
import type { GapFinding, LogConsumer, LogDescription, LogReader } from '../event-log.ts';
import { createSegmentChunks } from './chunks.ts';
import { createSegmentConsumer } from './consumer.ts';
import { assertPartition, closedError } from './files.ts';
import { endOfGivenUp, type GivenUp } from './given-up.ts';
import { createSegmentIndex } from './index.ts';
import type { LogMarks } from './marks.ts';
import { type BatchSource, fillTake, recordOf } from './take.ts';

export interface SegmentReader extends LogReader {
  /** Ends every wait and every consumer. */
  end(): Promise<void>;
}

export function createSegmentReader(
  directory: string,
  marks: LogMarks,
  partitions: number,
  givenUp: GivenUp,
): SegmentReader {
  const chunks = createSegmentChunks(directory);
  const index = createSegmentIndex(directory, marks, chunks, partitions);
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
      fillTake({ index, marks, givenUp }, take, partition, limits);
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
      const batch = index.batchAt(partition, offset);
      return batch === null ? null : recordOf(batch, offset);
    },

    async examineGap(partition, from, to): Promise<GapFinding> {
      assertUsable(partition);
      const start = marks.start(partition);
      if (start > from) return { kind: 'trimmed', start };
      const end = marks.end(partition);
      if (to > end) throw new UnavailableError('log_behind', `partition ${partition} ends at ${end}, before ${to}`);
      if (from >= to) return { kind: 'no_data' };
      // Offsets have no holes here: between start and end there is data, or there was.
      try {
        const batch = index.batchAt(partition, from);
        return batch === null ? { kind: 'trimmed', start: marks.start(partition) } : { kind: 'data' };
      } catch (error) {
        const end = error instanceof DamagedError ? endOfGivenUp(givenUp, error, from) : null;
        if (end === null) throw error;
        return { kind: 'given_up', end: Math.min(end, to) };
      }
    },

    async join() {
      assertUsable();
      const consumer = createSegmentConsumer(source, () => consumers.delete(consumer));
      consumers.add(consumer);
      return consumer;
    },

    async end() {
      isClosed = true;
      await Promise.all([...consumers].map((consumer) => consumer.close()));
      chunks.close();
      // Lets go of the wait for announcements.
      marks.announce();
    },
  };
}
