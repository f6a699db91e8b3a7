import type { DamagedError, UnavailableError } from '../../../domain/failure.ts';
import type { BatchLimits, LogRecord } from '../../event-log.ts';
import type { Fetched } from '../wire/fetched.ts';

/**
 * What has been fetched of one partition and not been taken yet. Each partition has a bound of its own, so that one that is not
 * worked on holds up no other.
 */
export interface Feed {
  readonly partition: number;
  /** The offset to fetch next. */
  position(): number;
  /** The partition's end as the last fetch told it; where the stream was opened, before the first. */
  end(): number;
  isEmpty(): boolean;
  hasRoom(): boolean;
  /** Enough for a batch, or as much as there will ever be at a time. */
  isFull(limits: BatchLimits): boolean;
  take(limits: BatchLimits): LogRecord[];
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

/** What a record takes in memory beside its value: an object, a view of its bytes. */
const recordBytes = 200;

export function createFeed(partition: number, offset: number, bytesMax: number): Feed {
  let queue: LogRecord[] = [];
  /** How many of `queue` were taken. */
  let taken = 0;
  let valueBytes = 0;
  let position = offset;
  let end = offset;
  let failure: UnavailableError | DamagedError | null = null;
  let waiting: (() => void) | null = null;

  const count = () => queue.length - taken;
  const hasRoom = () => valueBytes + count() * recordBytes < bytesMax;
  const wake = () => waiting?.();

  return {
    partition,
    position: () => position,
    end: () => end,
    isEmpty: () => count() === 0,
    hasRoom,
    isFull: (limits) => count() >= limits.recordsMax || valueBytes >= limits.bytesMax || (count() > 0 && !hasRoom()),
    take(limits) {
      let bytes = 0;
      let until = taken;
      for (; until < queue.length && until - taken < limits.recordsMax; until += 1) {
        const { length } = queue[until]!.value;
        if (until > taken && bytes + length > limits.bytesMax) break;
        bytes += length;
      }
      const records = queue.slice(taken, until);
      taken = until;
      valueBytes -= bytes;
      // Lets go of what was taken, and copies what is left no more often than it doubles.
      if (taken * 2 >= queue.length) {
        queue = queue.slice(taken);
        taken = 0;
      }
      return records;
    },
    add(fetched) {
      for (const record of fetched.records) {
        queue.push(record);
        valueBytes += record.value.length;
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
