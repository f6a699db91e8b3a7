import { UnavailableError } from '../../domain/failure.ts';
import type { BatchLimits, LogAssignment, LogBatch, LogConsumer, LogStream } from '../event-log.ts';
import { createStreamCalls, throwIfAny } from '../stream-calls.ts';
import { assertPartition } from './files.ts';
import type { BatchSource, Take } from './take.ts';

/**
 * A member of the group, which has one rule: the last one to join has all partitions, for as long as it stays. A member
 * that lost them gets none again; it joins anew if it wants them back.
 */
export function createSegmentConsumer(source: BatchSource, onClose: () => void): LogConsumer {
  const { marks } = source;
  const generation = marks.nextGeneration();
  marks.announce();
  const closed = Promise.withResolvers<void>();
  const ended = new AbortController();
  let isClosed = false;
  let wasGiven = false;

  function reasonOver(): UnavailableError | null {
    if (isClosed) return new UnavailableError('consumer_closed', 'the consumer has left the group');
    if (marks.generation() === generation) return null;
    return new UnavailableError('assignment_ended', 'another consumer has joined and has the partitions now');
  }
  /** Whoever is told that it is over finds `ended` aborted. */
  function over(): UnavailableError | null {
    const reason = reasonOver();
    if (reason !== null && !ended.signal.aborted) ended.abort(reason);
    return reason;
  }
  const assignment = createAssignment(source, ended.signal, over);
  void marks.until(() => over() !== null, null);

  return {
    async *assignments() {
      if (wasGiven) throw new Error('assignments() may be called once');
      wasGiven = true;
      if (over() === null) yield assignment;
      await closed.promise;
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      over();
      // Ends the waits of the streams.
      marks.recheck();
      closed.resolve();
      onClose();
    },
  };
}

function createAssignment(source: BatchSource, ended: AbortSignal, over: () => UnavailableError | null): LogAssignment {
  let isStreamOpen = false;
  return {
    partitions: Array.from({ length: source.partitions }, (_, partition) => partition),
    ended,
    async open(offsets) {
      throwIfAny(over());
      if (isStreamOpen) throw new Error('an assignment has one stream at a time');
      for (const [partition, offset] of offsets) {
        assertPartition(partition, source.partitions);
        if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`${offset} is not an offset`);
      }
      isStreamOpen = true;
      return createStream(source, offsets, over, () => {
        isStreamOpen = false;
      });
    },
    async confirm() {
      throwIfAny(over());
    },
  };
}

interface Cursor {
  nextOffset: number;
  batch: Take['batch'];
}

function createStream(
  source: BatchSource,
  offsets: ReadonlyMap<number, number>,
  assignmentOver: () => UnavailableError | null,
  onClose: () => void,
): LogStream {
  const { marks } = source;
  const cursors = new Map<number, Cursor>();
  for (const [partition, nextOffset] of offsets) {
    cursors.set(partition, { nextOffset, batch: null });
  }
  let isClosed = false;
  const over = () => (isClosed ? new UnavailableError('stream_closed', 'the stream is closed') : assignmentOver());

  /** Waits until the partition's end has passed `offset`. False: nothing came in time. */
  async function endPasses(
    partition: number,
    offset: number,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const isMet = () => marks.end(partition) > offset || over() !== null;
    const wasMet = await marks.until(isMet, timeoutMs, signal);
    throwIfAny(over());
    return wasMet;
  }

  async function take(partition: number, cursor: Cursor, limits: BatchLimits, idleMs: number, signal: AbortSignal) {
    const taken: Take = { records: [], bytes: 0, isFull: false, nextOffset: cursor.nextOffset, batch: cursor.batch };
    const idleAt = performance.now() + idleMs;
    let known = cursor.nextOffset;
    while (taken.records.length === 0) {
      known = Math.max(known, marks.start(partition));
      if (!(await endPasses(partition, known, idleAt - performance.now(), signal))) return taken;
      known = marks.end(partition);
      source.fill(taken, partition, limits);
    }
    return taken;
  }

  const call = createStreamCalls(cursors, over);
  return {
    untilRecords: (partition, idleMs, signal) =>
      call(partition, signal, ({ nextOffset }) => {
        return endPasses(partition, Math.max(nextOffset, marks.start(partition)), idleMs, signal);
      }),
    next: (partition, limits, idleMs, signal): Promise<LogBatch> =>
      call(partition, signal, async (cursor) => {
        const { records, nextOffset, batch } = await take(partition, cursor, limits, idleMs, signal);
        cursor.nextOffset = nextOffset;
        cursor.batch = batch !== null && nextOffset < batch.base + batch.count ? batch : null;
        return { partition, records, end: marks.end(partition), acknowledge: () => undefined };
      }),
    async close() {
      if (isClosed) return;
      isClosed = true;
      onClose();
      marks.recheck();
    },
  };
}
