import type { DamagedError, UnavailableError } from '../../../domain/failure.ts';
import type { BatchLimits } from '../../event-log.ts';
import type { LogRecord } from '../../log-record.ts';
import type { Fetched } from '../wire/fetched.ts';
import type { UnreadRecords } from '../wire/unread-records.ts';

/**
 * What has been fetched of one partition and not been taken yet. Each partition has a bound of its own, so that one
 * that is not worked on holds up no other.
 */
export interface Feed {
  readonly partition: number;
  /** The offset to fetch next. */
  position(): number;
  /** The partition's end as the last fetch told it; where the stream was opened, before the first. */
  end(): number;
  isEmpty(): boolean;
  hasRoom(): boolean;
  take(limits: BatchLimits): Taken;
  add(fetched: Fetched): void;
  /** The records before `offset` are gone from the log: goes on there. */
  skipTo(offset: number, end: number): void;
  /** There is nothing to be had any more: who waits hears of it once what was fetched is taken. */
  fail(error: UnavailableError | DamagedError): void;
  failure(): UnavailableError | DamagedError | null;
  /** False when it was not met in time. @throws the signal's reason */
  until(isMet: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean>;
  /** Looks again at what is waited for. */
  wake(): void;
}

export interface Taken {
  readonly records: LogRecord[];
  /** The fetches whose last record is one of these. */
  readonly emptied: readonly Fetched[];
}

/** What a batch takes in memory beside its records: of records that came one by one, that is most of it. */
const batchBytes = 1_250;

export function createFeed(partition: number, offset: number, bytesMax: number): Feed {
  let queue: UnreadRecords[] = [];
  /** Those that there is something to be taken of. */
  const fetches: Fetched[] = [];
  let count = 0;
  let bytes = 0;
  let position = offset;
  let end = offset;
  let failure: UnavailableError | DamagedError | null = null;
  let waiting: (() => void) | null = null;

  const hasRoom = () => bytes + queue.length * batchBytes < bytesMax;
  const wake = () => waiting?.();

  return {
    partition,
    position: () => position,
    end: () => end,
    isEmpty: () => count === 0,
    hasRoom,
    take(limits) {
      const records: LogRecord[] = [];
      let valueBytes = 0;
      let done = 0;
      for (const batch of queue) {
        while (batch.count > 0 && records.length < limits.recordsMax) {
          valueBytes += batch.nextValueBytes;
          if (records.length > 0 && valueBytes > limits.bytesMax) break;
          bytes -= batch.bytes;
          records.push(batch.take());
          bytes += batch.bytes;
        }
        if (batch.count > 0) break;
        done += 1;
      }
      queue = queue.slice(done);
      count -= records.length;
      const emptied: Fetched[] = [];
      while (fetches.length > 0 && isEmptied(fetches[0]!)) emptied.push(fetches.shift()!);
      return { records, emptied };
    },
    add(fetched) {
      if (fetched.records.length > 0) fetches.push(fetched);
      for (const batch of fetched.records) {
        queue.push(batch);
        count += batch.count;
        bytes += batch.bytes;
      }
      position = fetched.nextOffset;
      end = Math.max(fetched.end, fetched.nextOffset);
      wake();
    },
    skipTo(next, newEnd) {
      position = next;
      end = newEnd;
      wake();
    },
    fail(error) {
      failure ??= error;
      wake();
    },
    failure: () => failure,
    wake,
    until(isMet, timeoutMs, signal) {
      if (isMet()) return Promise.resolve(true);
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', abort);
          waiting = null;
          settle();
        };
        const abort = () => finish(() => reject(signal.reason));
        const timer = setTimeout(() => finish(() => resolve(false)), timeoutMs);
        signal.addEventListener('abort', abort, { once: true });
        waiting = () => {
          if (isMet()) finish(() => resolve(true));
        };
      });
    },
  };
}

/** They are taken in order. */
function isEmptied({ records }: Fetched): boolean {
  return records.at(-1)!.count === 0;
}
