import type { DuplicateRecord, OutcomeCounts, Position, StoredEvent } from '../domain/event.ts';
import type { HistogramPairs } from '../domain/histogram.ts';
import type { InboxEntry, InboxState } from '../domain/inbox.ts';
import type { CommitRequest, Decide, Guard, LastRecord, WriteSet } from './batch.ts';

/**
 * EventStore: the rows, the inbox, the rollups, and the progress that proves them. What makes the effect of a record
 * happen exactly once is that all of these change in one transaction, guarded by a compare-and-set on the progress row.
 *
 * Contract (testing/event-store.contract.ts):
 *
 * Claimed     `claim` adds one to the partition's owner_epoch. From then on a commit under an older epoch can't succeed.
 *             A first claim makes the row at the log's start. It never judges the log; the caller does. Only where the current
 *             log has another id and the partition no row, none is made, and what is answered (epoch 0) can commit nothing.
 * Atomic      `commit` writes event rows, duplicates, inbox rows, closed inbox rows, rollups, type totals and progress in one
 *             transaction, if and only if progress still has (owner_epoch, next_offset, commit_token) as expected; or
 *             nothing at all. Commits of several partitions may run side by side: each succeeds or fails by itself.
 * Decided     `decide` is called inside that transaction with what the store knows of the batch's ids and types. It is pure
 *             and may be called again if the transaction is run again.
 * Recognised  A commit whose answer was lost is repeated with the same token and answers `committed` with
 *             `alreadyCommitted: true`. Anything else that finds other values answers `fenced`, and nothing was written.
 * Unique      No two rows of `events` share an id, whichever partitions race.
 * Counted     At every moment, in every snapshot: next_offset − base = stored + duplicate + failed + lost + skipped, per
 *             partition; rollups, type totals and progress tell the same counts; rows + pruned = stored, and
 *             likewise for the inbox and `failed`.
 * Settled     A batch settles the inbox rows that its records were redriven for. One with lost records opens those of its
 *             partition again that are still redriving: theirs may be among them, and settles it after all if it is not.
 * Exact       A payload comes back as the same JSON value with every digit of its numbers; order of keys and spelling may be the
 *             store's own. What it can't hold so, it refuses. Everything else comes back as it was given.
 * Maintained  Retention and folding of rollups are commits like any other: same guard, new token, same next_offset.
 * Failing     UnavailableError: try again later, nothing is known to be written. RejectedByStoreError: the batch holds a value
 *             the store refuses; it was rolled back. Nothing else is thrown, but for bugs.
 * close       Waits for what runs, then frees everything. Calls after it throw.
 */

export interface PartitionProgress {
  readonly consumer: string;
  readonly logNo: number;
  readonly partition: number;
  /** The id of the log that this progress was made on. */
  readonly logId: string;
  /** The first offset ever taken. */
  readonly base: number;
  readonly nextOffset: number;
  /** Offset and SHA-256 of the last record that was data, if there was one. */
  readonly last: LastRecord | null;
  readonly ownerEpoch: number;
  readonly commitToken: string;
  readonly outcomes: OutcomeCounts;
  /** Of `stored`, how many rows retention has removed since. */
  readonly pruned: number;
}

export interface ClaimRequest {
  readonly consumer: string;
  readonly partition: number;
  readonly logId: string;
  /** Where a first claim starts. */
  readonly logStart: number;
}

export type CommitResult =
  /** `written` is null when an earlier try had landed: what it wrote is not known here, only that it did. */
  | { readonly kind: 'committed'; readonly alreadyCommitted: boolean; readonly written: WriteSet | null }
  /** Somebody else owns the partition, or the row is not what this worker left. */
  | { readonly kind: 'fenced'; readonly found: PartitionProgress | null };

export interface MaintenanceRequest extends Guard {
  readonly now: number;
  /**
   * Rows received before this are pruned (at most limits.pruneRowsMax a call), and inbox rows settled before it (at
   * most limits.pruneFailedMax); null keeps all.
   */
  readonly pruneBefore: number | null;
  /** Inbox rows past the partition's mark of publication are kept. */
  readonly publishedOnly: boolean;
  /** Jobs of the whole store that ended before this are pruned (at most limits.pruneJobsMax a call); null keeps all. */
  readonly jobsEndedBefore: number | null;
  /** 10 s rollups that start before this are folded into minutes, in whole minutes. */
  readonly foldFineBefore: number;
  /** Minute rollups that start before this are folded into hours, in whole hours. */
  readonly foldMinutesBefore: number;
}

export type MaintenanceResult =
  /** Nothing to do: nothing was written and the token is still `previousToken`. */
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'committed';
      readonly alreadyCommitted: boolean;
      readonly prunedRows: number;
      /** Inbox rows. */
      readonly prunedFailed: number;
      readonly foldedRows: number;
      readonly more: boolean;
    }
  | { readonly kind: 'fenced'; readonly found: PartitionProgress | null };

/** One partition's metrics, in one snapshot with its watermark. */
export interface PartitionMetrics {
  readonly partition: number;
  readonly watermark: Watermark;
  readonly totals: readonly TypeTotals[];
  /** The names that `counts` goes by: those of the totals, in their order, and any besides. */
  readonly types: readonly string[];
  /**
   * Everything that a window can still reach (domain/metrics-steps.ts), each count once: in the shortest step that
   * something of its age is still needed in, or in the one that it was folded into.
   */
  readonly counts: readonly StepCounts[];
  readonly latencies: readonly RollupLatencyRow[];
}

/** What happened in one step. Of thousands of types an object for each count would take more than everything else. */
export interface StepCounts {
  readonly stepMs: number;
  readonly at: number;
  /** By the place of the type in `types`; what lies beyond its end is 0. */
  readonly stored: Float64Array;
  /** Of all types together. */
  readonly duplicate: number;
  readonly failed: number;
}

export interface Watermark {
  readonly logNo: number;
  readonly nextOffset: number;
  readonly commitToken: string;
}

export interface TypeTotals {
  readonly eventType: string;
  readonly stored: number;
  readonly duplicate: number;
  readonly failed: number;
  readonly pruned: number;
}

export interface RollupLatencyRow {
  readonly stepMs: number;
  readonly at: number;
  readonly histogram: HistogramPairs;
  readonly clockSkewed: number;
}

/** Everything of the ledger that the store knows, from one snapshot. */
export interface LedgerSnapshot {
  readonly logNo: number;
  readonly logId: string | null;
  /** Partitions of every log, the current one (logNo) and those before it. */
  readonly partitions: readonly PartitionProgress[];
  /** Inbox rows that are open or redriving. */
  readonly openInInbox: number;
}

/**
 * A page may be short, even empty, and not the last: its bytes are bounded, and so is the time to look for what has no
 * index. Only `nextCursor: null` says that there is no more.
 */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

export interface EventQuery {
  readonly eventType?: string;
  readonly source?: string;
  /** received_at from (inclusive) and to (exclusive), milliseconds since the epoch. */
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
  readonly cursor?: string;
}

export interface InboxQuery {
  readonly state?: InboxState;
  readonly eventType?: string;
  readonly code?: string;
  readonly eventId?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** How the record at a position ended, as far as the store can still tell. */
export type SettledOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'failed'; readonly inboxId: string };

/** A record that the current log has, by what its event was given. */
export interface AppendedRecord {
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
}

export interface Job {
  readonly id: string;
  readonly kind: 'redrive';
  readonly state: 'running' | 'done' | 'failed';
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly message: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** A difference that `verify` found between rows, rollups, totals and progress. */
export interface Discrepancy {
  readonly code: string;
  /** What was compared, what each side says, and in which partition, step or type. */
  readonly message: string;
}

export interface EventWriter {
  claim(request: ClaimRequest): Promise<PartitionProgress>;
  commit(request: CommitRequest, decide: Decide): Promise<CommitResult>;
  maintain(request: MaintenanceRequest): Promise<MaintenanceResult>;
  /**
   * A transaction that writes and leaves nothing behind: tells a store that is away from one that refuses this batch.
   */
  probe(): Promise<void>;
  /** Progress of every partition of this consumer's current log that is on stable storage, after making it so. */
  durableProgress(consumer: string): Promise<readonly PartitionProgress[]>;
}

export interface EventReader {
  /** The current log's progress of a consumer, straight from the store. */
  progress(consumer: string): Promise<readonly PartitionProgress[]>;
  ledger(consumer: string): Promise<LedgerSnapshot>;
  /** Null before the first claim. `now` decides which rollup rows a window can still reach. */
  partitionMetrics(consumer: string, partition: number, now: number): Promise<PartitionMetrics | null>;
  event(id: string): Promise<StoredEvent | null>;
  /** Oldest first, at most limits.duplicatesKeptPerEvent. */
  duplicatesOf(id: string): Promise<readonly DuplicateRecord[]>;
  /** Newest received_at first. A cursor the store can't read throws RangeError. */
  events(query: EventQuery): Promise<Page<StoredEvent>>;
  inboxEntry(id: string): Promise<InboxEntry | null>;
  /** Newest failed_at first. A cursor the store can't read throws RangeError. */
  inboxEntries(query: InboxQuery): Promise<Page<InboxEntry>>;
  /**
   * How records of the current log ended, in their order, at most limits.outcomesReadMax; null where its progress is
   * not past them, or where it can not be told any more: neither the id is stored nor the record in the inbox. A
   * duplicate is one of something stored.
   */
  outcomesOf(consumer: string, records: readonly AppendedRecord[]): Promise<readonly (SettledOutcome | null)[]>;
  job(id: string): Promise<Job | null>;
  /** Inbox id → the job that has claimed it, of those that one has. */
  claimsOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Compares rows, rollups, totals and progress, whole. Reads everything: minutes on a large store. */
  verify(consumer: string): Promise<readonly Discrepancy[]>;
}

/** What operators change outside of batches: states of inbox rows; never outcomes, rollups or rows. */
export interface InboxWriter {
  /** open → discarded, but for rows that a job has claimed. Answers which were. */
  discard(ids: readonly string[], now: number): Promise<readonly string[]>;
  /**
   * Makes `logId` the current log under the next log_no, also where the current one has the same id: an older copy of a
   * log keeps it. Progress on earlier logs stays as history, and what was redriven into them and never settled is open
   * again. Answers the current log_no as it is while it has no progress.
   */
  adoptLog(logId: string, now: number): Promise<number>;
}

/**
 * Jobs, and their claims on inbox rows. A claim is held by one job at a time, whichever process that runs in, and keeps
 * everybody else from redriving or discarding the row. It ends with its job: also where somebody ends that, because the
 * process that ran it is not heard of any more.
 */
export interface RedriveJobs {
  /**
   * Claims for this job those rows that are open and that no job has claimed, and saves the job as running, with their
   * number as its total: both or nothing. Answers which; where there are none, no job is saved.
   */
  claimForRedrive(ids: readonly string[], job: Job): Promise<readonly string[]>;
  /**
   * open → redriving, of those it has claimed, whose claims end. Answers which were open; one settled before only names
   * its job.
   */
  markRedriving(ids: readonly string[], jobId: string): Promise<readonly string[]>;
  /**
   * Saved as done or failed, it loses what it has still claimed. False: it does not run any more, and nothing was
   * written.
   */
  saveJob(job: Job): Promise<boolean>;
  /** In the order of their ids, at most limits.runningJobsReadMax. */
  runningJobs(): Promise<readonly Job[]>;
  /** running → failed, of those that were not saved since they were read so; their claims end. Answers how many. */
  endJobs(jobs: readonly Pick<Job, 'id' | 'updatedAt'>[], message: string, now: number): Promise<number>;
}

/**
 * What the failed topic is published from. A partition's inbox rows appear in the order of their positions, so one mark
 * a partition tells which have been published; it goes back to an older copy of the store together with the rows.
 */
export interface InboxPublication {
  /**
   * The partition's inbox rows past its mark, in the order of their positions, also those of earlier logs and those
   * that were settled meanwhile. As many as the bounds allow, but at least one if there is any.
   */
  unpublished(
    consumer: string,
    partition: number,
    bounds: { readonly recordsMax: number; readonly bytesMax: number },
  ): Promise<readonly InboxEntry[]>;
  /** Everything up to and with this position has been published. The mark never moves back. */
  markPublished(consumer: string, position: Position): Promise<void>;
}

export interface EventStore extends EventWriter, EventReader, InboxWriter, RedriveJobs, InboxPublication {
  close(): Promise<void>;
}
