import type { LogRecord } from './log-record.ts';

/**
 * EventLog: the durable, partitioned, ordered log of events. The only place where an event that was answered 202 must
 * be.
 *
 * Contract (the suite in testing/event-log.contract.ts holds every implementation to it):
 *
 * Durable    `append` resolves only when every record of the call is on stable storage (embedded: flushed; Kafka: acks=all)
 *            and answers each record's partition and offset. When it rejects, any part of the call may or may not be in the
 *            log: the caller must not say "taken", and may send the same ids again.
 * Ordered    Offsets of a partition only grow. Records of one call to one partition stand in the order given. Calls to one
 *            lane are appended in the order made, if the caller awaits one before making the next.
 * Bounded    Readers see only what is durable. A record that has been read once is never taken back.
 * Whole      Offsets are not dense in general (Kafka's control records; trimming), but every record between `start` and `end`
 *            is delivered to a reader that starts at or below it.
 * Named      `describe().logId` is drawn at random when the log is made and never changes. A log that was deleted and made
 *            anew has another one. `end` survives the deletion of every record: a partition never starts again at 0.
 * Trimmed    `trim` removes records below an offset; `start` moves up to it. It never holds up an append for longer than a
 *            bounded chunk of work. Callers trim only below what every consumer has durably done.
 * Damaged    A record that can't be read, now or later, is never left out in silence: whoever asks for it gets a DamagedError,
 *            which names the partition and the offsets that are gone with it. Whatever does not ask for one of these goes on:
 *            other records, other partitions, appends, trims. Offsets are not given away a second time for it.
 * Failing    What can't be done now throws UnavailableError. Nothing else is thrown, but for that, DamagedError and wrong use.
 * close      Ends every wait and every consumer of this handle, flushes, frees the resources. Calls after it throw.
 */
export interface RecordToAppend {
  readonly partition: number;
  readonly value: Uint8Array;
}

export interface AppendedAt {
  readonly partition: number;
  readonly offset: number;
}

export interface PartitionBounds {
  readonly partition: number;
  /** The first offset that may still be read. */
  readonly start: number;
  /** One past the last durable record: the offset the next record will get, or a later one. */
  readonly end: number;
}

export interface LogDescription {
  readonly logId: string;
  readonly partitions: readonly PartitionBounds[];
}

export interface LogAppender {
  /**
   * Number of partitions now. It may grow while the handle is open (Kafka): to be read anew for each record, never
   * kept.
   */
  readonly partitions: number;
  /**
   * Partitions that share a lane share one append in flight. Lanes are numbered from 0; number and sharing stay as they
   * are.
   */
  readonly lanes: number;
  laneOf(partition: number): number;
  /** All records must belong to one lane. */
  append(records: readonly RecordToAppend[]): Promise<readonly AppendedAt[]>;
  trim(partition: number, below: number): Promise<void>;
}

/** What lies in a range of offsets of which the stream delivered nothing; asked by a fetch of its own. */
export type GapFinding =
  /** No data there (control records): the range counts as skipped. */
  | { readonly kind: 'no_data' }
  /** The log's start has moved past `from`: what lay below `start` is lost. */
  | { readonly kind: 'trimmed'; readonly start: number }
  /** Damage, from `from` up to `end`, that an operator has given up: it is lost. */
  | { readonly kind: 'given_up'; readonly end: number }
  /** There are records: the stream was wrong and must be opened anew. */
  | { readonly kind: 'data' };

export interface LogReader {
  /** As LogAppender's. */
  readonly partitions: number;
  /** Fresh, never cached. */
  describe(): Promise<LogDescription>;
  /**
   * The record at exactly this offset, or null (trimmed, a control record, or past the end). DamagedError where it
   * can't be read.
   */
  recordAt(partition: number, offset: number): Promise<LogRecord | null>;
  /**
   * Looks at offsets from ≤ o < to, where `to` is at most an end that this log has told. A log that ends before it now
   * can't say: UnavailableError.
   */
  examineGap(partition: number, from: number, to: number): Promise<GapFinding>;
  /** Joins the consumer group, whose members share the partitions. Embedded: the last one to join has all of them. */
  join(): Promise<LogConsumer>;
}

export interface EventLog extends LogAppender, LogReader {
  close(): Promise<void>;
}

/** A member of the consumer group. */
export interface LogConsumer {
  /**
   * One assignment after another; an earlier one's `ended` is aborted before the next is given. Ends after `close`.
   * Losing the connection to the group and joining again is the implementation's affair: it shows as a new assignment.
   */
  assignments(): AsyncIterable<LogAssignment>;
  /** Leaves the group. */
  close(): Promise<void>;
}

export interface LogAssignment {
  readonly partitions: readonly number[];
  /** Aborted as soon as it is known that these partitions are, or may be, somebody else's. */
  readonly ended: AbortSignal;
  /**
   * Opens a stream; one at a time, so the one before must have been closed. `offsets` must name every assigned
   * partition but those that are halted: what is left out is not read.
   */
  open(offsets: ReadonlyMap<number, number>): Promise<LogStream>;
  /** Resolves once the group has confirmed this generation after the call (a heartbeat); rejects if it is over. */
  confirm(): Promise<void>;
}

export interface BatchLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

export interface LogStream {
  /**
   * Waits until the partition goes on: with a record, with one that can't be read, or with offsets that `next` passes
   * over. False where nothing came for `idleMs`. Takes nothing: what has arrived by the time `next` is called may be in
   * its batch. Counts as the partition's one call, and aborts like `next`.
   */
  untilRecords(partition: number, idleMs: number, signal: AbortSignal): Promise<boolean>;
  /**
   * The partition's next records, in order, each exactly once per stream; at least one record, or `records: []` with a
   * fresh `end` when nothing came for `idleMs`. One call at a time per partition; calls of several partitions run side
   * by side. A single record may exceed bytesMax. Aborting rejects with the signal's reason. A stream reads ahead: what
   * it had read when the log was trimmed it may still deliver; then it goes on at the start. Rejects with DamagedError
   * where the next record can't be read, after everything before it was delivered, and at each call from then on; a
   * stream that is opened behind it goes on there. What was given up of it is passed over: a gap.
   */
  next(partition: number, limits: BatchLimits, idleMs: number, signal: AbortSignal): Promise<LogBatch>;
  close(): Promise<void>;
}

/** Records travel with their acknowledgement. */
export interface LogBatch {
  readonly partition: number;
  readonly records: readonly LogRecord[];
  /** The partition's end as known when the batch was taken. */
  readonly end: number;
  /**
   * Tells the log that everything below `nextOffset` is done, and that nobody looks at the bytes of these records any
   * more: their memory may be given back. Besides a mirror for lag tools: nothing is read from it, it may be late or lost,
   * and it never throws.
   */
  acknowledge(nextOffset: number): void;
}
