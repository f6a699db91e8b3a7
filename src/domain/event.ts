/** An event as it stands in the log: what ingest accepted, or another producer wrote in the same layout. */
export interface EventEnvelope {
  /** The event's identity: a UUID in lower case. */
  readonly id: string;
  readonly eventType: string;
  /** The id as the client sent it, where the event's id had to be derived from it. */
  readonly clientId: string | null;
  readonly source: string | null;
  /** Events of one key share a partition and so keep their order. Absent: the event's id is the key. */
  readonly key: string | null;
  /** RFC 3339 as sent; absent stays absent. */
  readonly occurredAt: string | null;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
  /** The inbox row that this record is a redrive of. */
  readonly redriveOf: string | null;
  /** The payload's JSON text as it was sent: numbers keep every digit. */
  readonly payloadJson: string;
}

/** Where a record stands. `logNo` counts the logs an operator has adopted, from 1. */
export interface Position {
  readonly logNo: number;
  readonly partition: number;
  readonly offset: number;
}

/** Offsets of one partition, from ≤ offset < to. */
export interface OffsetRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** What two events with one id must share to be the same event. `received_at` and `key` do not count. */
export interface EventContent {
  readonly eventType: string;
  readonly source: string | null;
  readonly occurredAt: string | null;
  readonly payloadJson: string;
}

/**
 * First 16 bytes of a SHA-256 (content.ts), as 32 hexadecimal digits: an array of bytes of its own would take four
 * times the memory.
 */
export type ContentHash = string;

/** A row of the store. */
export interface StoredEvent extends EventEnvelope {
  readonly position: Position;
  /** Milliseconds since the epoch; one stamp a batch. */
  readonly storedAt: number;
  readonly contentHash: ContentHash;
  /** The name its rollups are counted under: the type's own, or `(other)` past the limit of types. */
  readonly countedAs: string;
}

export interface DuplicateRecord {
  readonly eventId: string;
  readonly position: Position;
  readonly receivedAt: number;
}

/** Every record of the log ends as exactly one of these. */
export type Outcome = 'stored' | 'duplicate' | 'failed' | 'lost' | 'skipped';

/** Integer counts of outcomes, in records. */
export type OutcomeCounts = Readonly<Record<Outcome, number>>;

/** The name that types past ESP_EVENT_TYPES_MAX are counted under. */
export const otherEventType = '(other)';
/** The name that failed records without a readable type are counted under. */
export const noEventType = '(none)';
