import type { OffsetRange } from './event.ts';

/**
 * Failures are of four kinds (ARCHITECTURE.md): unavailable, damaged, rejected, fenced. Rejections and fencing are
 * values, because they are expected; the classes below are for what a caller cannot expect. Anything else that is
 * thrown is a bug.
 */

/**
 * What is away, and how. Whoever tells a client of it, or goes by it, does so for each of them
 * (http/problem-answer.ts).
 */
export type UnavailableCode =
  | 'log_unavailable'
  | 'log_unreachable'
  | 'log_timeout'
  | 'log_closed'
  | 'log_behind'
  | 'log_deleted'
  | 'log_denied'
  | 'log_leaderless'
  | 'log_missing'
  | 'log_refused'
  | 'log_replaced'
  | 'log_unsupported'
  | 'assignment_ended'
  | 'consumer_closed'
  | 'stream_closed'
  | 'failed_topic_unavailable'
  | 'store_unavailable'
  | 'store_busy'
  | 'store_timeout'
  | 'store_unusable'
  | 'disk_full'
  | 'metrics_unavailable'
  | 'thread_gone';

/** Something the program depends on does not answer, or answers that it can't now. Nothing is lost by trying again. */
export class UnavailableError extends Error {
  readonly code: UnavailableCode;
  constructor(code: UnavailableCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnavailableError';
    this.code = code;
  }
}

/**
 * Records that the log has taken can't be read: not now, and not by trying again. It concerns one partition, and of
 * that only these offsets.
 */
export class DamagedError extends Error {
  readonly partition: number;
  /** The first offset that can't be read. */
  readonly from: number;
  /** One past the last of them. */
  readonly to: number;
  /** Where the damage is, for a person: a file and a byte of it. */
  readonly place: string;
  constructor(range: OffsetRange, place: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DamagedError';
    this.place = place;
    this.partition = range.partition;
    this.from = range.from;
    this.to = range.to;
  }
}

/** For who reads the log: what is away or damaged in its own words, a bug with its place in the code. */
export function tellFailure(error: unknown): string {
  if (error instanceof UnavailableError || error instanceof DamagedError) return error.message;
  return error instanceof Error ? (error.stack ?? String(error)) : String(error);
}

/** The store refuses a value of this batch for good. Where it can't say whose, the worker bisects. */
export class RejectedByStoreError extends Error {
  /** Of the record whose value it is, where the store knows. */
  readonly offset: number | null;
  constructor(message: string, options: ErrorOptions & { readonly offset?: number } = {}) {
    super(message, options);
    this.name = 'RejectedByStoreError';
    this.offset = options.offset ?? null;
  }
}

/**
 * A place that a second process may not enter, or an input the program can't start with. The message says what to do.
 */
export class StartupError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartupError';
  }
}

/** Why a record is in the inbox. Codes are stable: clients filter by them. */
export type RejectionCode =
  | 'invalid_json'
  | 'invalid_utf8'
  | 'invalid_event'
  | 'missing_id'
  | 'event_too_large'
  | 'nested_too_deep'
  | 'unsupported_value'
  | 'conflict'
  | 'rejected_by_store';

export interface Rejection {
  readonly code: RejectionCode;
  /** A sentence for a person: what is wrong and where. */
  readonly message: string;
}
