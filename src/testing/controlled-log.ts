import type { AppendedAt, LogAppender, RecordToAppend } from '../event-log/event-log.ts';

export interface ControlledLog extends LogAppender {
  /** Appends that have been called and not been answered, in order. */
  inFlight(): readonly (readonly RecordToAppend[])[];
  /** Groups that succeeded, in order. */
  appended(): readonly (readonly RecordToAppend[])[];
  /** Answers the append in flight with this index. */
  succeed(index?: number): void;
  fail(error: Error, index?: number): void;
  /** Resolves once so many appends are in flight; 1 by default. */
  appendStarted(count?: number): Promise<void>;
}

interface Call {
  readonly records: readonly RecordToAppend[];
  readonly resolve: (appended: readonly AppendedAt[]) => void;
  readonly reject: (error: Error) => void;
}

/** A log in memory that answers when the test says so. Partitions go round the lanes. */
export function createControlledLog({ partitions = 8, lanes = 1, isOpen = false } = {}): ControlledLog {
  const calls: Call[] = [];
  const done: (readonly RecordToAppend[])[] = [];
  const ends = new Array<number>(partitions).fill(0);
  let waiters: (() => void)[] = [];

  function take(index: number): Call {
    const [call] = calls.splice(index, 1);
    if (!call) throw new Error(`no append ${index} is in flight`);
    return call;
  }

  function write(records: readonly RecordToAppend[]): AppendedAt[] {
    done.push(records);
    return records.map(({ partition }) => ({ partition, offset: ends[partition]!++ }));
  }

  return {
    partitions,
    lanes,
    laneOf: (partition) => partition % lanes,
    trim: () => Promise.resolve(),
    append(records) {
      if (isOpen) return Promise.resolve(write(records));
      return new Promise((resolve, reject) => {
        calls.push({ records, resolve, reject });
        for (const waiter of waiters.splice(0)) waiter();
      });
    },
    inFlight: () => calls.map(({ records }) => records),
    appended: () => done,
    succeed(index = 0) {
      const { records, resolve } = take(index);
      resolve(write(records));
    },
    fail(error, index = 0) {
      take(index).reject(error);
    },
    async appendStarted(count = 1) {
      while (calls.length < count) {
        await new Promise<void>((resolve) => {
          waiters = [...waiters, resolve];
        });
      }
    },
  };
}
