import { setTimeout as delay } from 'node:timers/promises';
import { DamagedError, UnavailableError } from '../domain/failure.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import type {
  BatchLimits,
  GapFinding,
  LogAssignment,
  LogBatch,
  LogConsumer,
  LogReader,
  LogStream,
} from '../event-log/event-log.ts';
import { LogRecord } from '../event-log/log-record.ts';
import { eventOf, startAt } from './event-store.batches.ts';

/** A log in memory that a test can cut, rename and make lie, and that tells what it was asked. */
export interface ScriptedLog extends LogReader {
  /** Appends one record for each value, or one of an event. */
  put(partition: number, values?: readonly Uint8Array[], timestamp?: number): void;
  /** Offsets without data, as Kafka's control records take. */
  skip(partition: number, count: number): void;
  trim(partition: number, below: number): Promise<void>;
  /** Forgets what lies from this offset on, as an older copy does. */
  cutOff(partition: number, from: number): void;
  /** This record can't be read from now on; or again, where it could not. */
  damage(partition: number, offset: number): void;
  mend(partition: number, offset: number): void;
  rename(logId: string): void;
  /** Gives partitions to the member anew, all of them by default: what it had is over. */
  assign(given?: readonly number[]): void;
  /** Calls, in order: `join`, `open {"0":3}`, `next 0`, `acknowledge 0 5`, `close stream`, `confirm`, `leave`. */
  readonly journal: string[];
  /** Runs before a call of this name is answered: may throw, or wait. */
  readonly before: Partial<
    Record<'join' | 'open' | 'confirm' | 'describe' | 'recordAt' | 'examineGap', () => Promise<void> | void>
  >;
  /** What a stream leaves out, though it is there. */
  omits: (record: LogRecord) => boolean;
}

interface Partition {
  start: number;
  end: number;
  readonly records: Map<number, LogRecord>;
  readonly damaged: Set<number>;
}

export function scriptedLog(partitionCount = 1): ScriptedLog {
  const partitions = Array.from({ length: partitionCount }, (): Partition => {
    return { start: 0, end: 0, records: new Map(), damaged: new Set() };
  });
  const all = [...partitions.keys()];
  const changes = new EventTarget();
  const journal: string[] = [];
  const assignments: LogAssignment[] = [];
  let logId = 'log-a';
  let ended = new AbortController();
  let isLeft = false;
  const changed = () => changes.dispatchEvent(new Event('change'));

  /** Resolves at the next change, or after so long; rejects as the signal says. */
  async function nextChange(ms: number, signal: AbortSignal): Promise<void> {
    const timeout = new AbortController();
    const change = Promise.withResolvers<void>();
    changes.addEventListener('change', () => change.resolve(), { once: true, signal: timeout.signal });
    try {
      await Promise.race([change.promise, delay(ms, undefined, { signal: AbortSignal.any([timeout.signal, signal]) })]);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      timeout.abort();
    }
  }

  function openStream(offsets: ReadonlyMap<number, number>): LogStream {
    const cursors = new Map(offsets);
    const closed = new AbortController();
    return {
      async untilRecords(partition, idleMs, asked): Promise<boolean> {
        const signal = AbortSignal.any([asked, closed.signal]);
        signal.throwIfAborted();
        const until = performance.now() + idleMs;
        while (!goesOn(partition, cursors)) {
          const leftMs = until - performance.now();
          if (leftMs <= 0) return false;
          await nextChange(leftMs, signal);
        }
        return true;
      },
      async next(partition, limits, idleMs, asked): Promise<LogBatch> {
        journal.push(`next ${partition}`);
        const signal = AbortSignal.any([asked, closed.signal]);
        signal.throwIfAborted();
        if (read(partition, cursors, limits).length === 0) await nextChange(idleMs, signal);
        const records = read(partition, cursors, limits);
        if (records.length > 0) cursors.set(partition, records.at(-1)!.offset + 1);
        const { end } = partitions[partition]!;
        return {
          partition,
          records,
          end,
          acknowledge: (nextOffset) => journal.push(`acknowledge ${partition} ${nextOffset}`),
        };
      },
      async close() {
        journal.push('close stream');
        closed.abort(new UnavailableError('stream_closed', 'the stream is closed'));
      },
    };
  }

  function goesOn(partition: number, cursors: ReadonlyMap<number, number>): boolean {
    const from = cursors.get(partition)!;
    return [...partitions[partition]!.records.values()].some((record) => record.offset >= from && !log.omits(record));
  }

  function read(partition: number, cursors: ReadonlyMap<number, number>, limits: BatchLimits): LogRecord[] {
    const from = cursors.get(partition);
    if (from === undefined) throw new RangeError(`the stream was not opened for partition ${partition}`);
    const { records, damaged } = partitions[partition]!;
    const waiting = [...records.values()].filter((record) => record.offset >= from && !log.omits(record));
    if (waiting.length > 0) throwIfDamaged(partition, waiting[0]!.offset);
    const sound = waiting.findIndex(({ offset }) => damaged.has(offset));
    return waiting.slice(0, sound < 0 ? limits.recordsMax : Math.min(sound, limits.recordsMax));
  }

  function throwIfDamaged(partition: number, offset: number): void {
    if (!partitions[partition]!.damaged.has(offset)) return;
    const range = { partition, from: offset, to: offset + 1 };
    throw new DamagedError(range, 'a file', `partition ${partition} is damaged at offset ${offset}`);
  }

  function makeAssignment(given: readonly number[]): LogAssignment {
    const own = ended;
    return {
      partitions: given,
      ended: own.signal,
      async open(offsets) {
        await log.before.open?.();
        journal.push(`open ${JSON.stringify(Object.fromEntries(offsets))}`);
        return openStream(offsets);
      },
      async confirm() {
        await log.before.confirm?.();
        own.signal.throwIfAborted();
        journal.push('confirm');
      },
    };
  }

  const consumer: LogConsumer = {
    async *assignments() {
      while (!isLeft) {
        const assignment = assignments.shift();
        if (assignment !== undefined) yield assignment;
        else await nextChange(60_000, new AbortController().signal);
      }
    },
    async close() {
      journal.push('leave');
      isLeft = true;
      ended.abort(new UnavailableError('consumer_closed', 'the member has left'));
      changed();
    },
  };

  const log: ScriptedLog = {
    partitions: partitionCount,
    journal,
    before: {},
    omits: () => false,
    put(partition, values = [encodeRecord(eventOf())], timestamp = startAt) {
      const into = partitions[partition]!;
      for (const value of values) {
        const offset = into.end++;
        into.records.set(offset, new LogRecord(partition, offset, timestamp, value));
      }
      changed();
    },
    skip(partition, count) {
      partitions[partition]!.end += count;
      changed();
    },
    async trim(partition, below) {
      const from = partitions[partition]!;
      from.start = Math.max(from.start, below);
      for (const offset of from.records.keys()) if (offset < from.start) from.records.delete(offset);
    },
    cutOff(partition, from) {
      const into = partitions[partition]!;
      into.end = from;
      for (const offset of into.records.keys()) if (offset >= from) into.records.delete(offset);
    },
    damage(partition, offset) {
      partitions[partition]!.damaged.add(offset);
    },
    mend(partition, offset) {
      partitions[partition]!.damaged.delete(offset);
    },
    rename(to) {
      logId = to;
    },
    assign(given = all) {
      ended.abort(new UnavailableError('assignment_ended', 'the partitions were assigned anew'));
      ended = new AbortController();
      assignments.push(makeAssignment(given));
      changed();
    },
    async describe() {
      await log.before.describe?.();
      return { logId, partitions: partitions.map(({ start, end }, partition) => ({ partition, start, end })) };
    },
    async recordAt(partition, offset) {
      await log.before.recordAt?.();
      throwIfDamaged(partition, offset);
      return partitions[partition]!.records.get(offset) ?? null;
    },
    async examineGap(partition, from, to): Promise<GapFinding> {
      await log.before.examineGap?.();
      const { start, records } = partitions[partition]!;
      if (start > from) return { kind: 'trimmed', start };
      return { kind: [...records.keys()].some((offset) => offset >= from && offset < to) ? 'data' : 'no_data' };
    },
    async join() {
      await log.before.join?.();
      journal.push('join');
      if (assignments.length === 0) assignments.push(makeAssignment(all));
      return consumer;
    },
  };
  return log;
}
