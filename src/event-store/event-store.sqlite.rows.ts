import type { DatabaseSync } from 'node:sqlite';
import { otherEventType, type StoredEvent } from '../domain/event.ts';
import type { InboxEntry, InboxResolution, InboxState } from '../domain/inbox.ts';
import { firstRow } from './event-store.sqlite.connection.ts';
import type { PartitionProgress } from './event-store.ts';

/** Of each character of ASCII its value as a hexadecimal digit; 16 where it is none. */
const digitValues = Uint8Array.from({ length: 128 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? 16 : value;
});
/** Where the two digits of each byte stand in a UUID. */
const digitPlaces = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const dash = 0x2d;

/**
 * A UUID as its 16 bytes; anything else gives another length, which the table's check refuses and no row has. By hand, at a
 * quarter of what Buffer takes for it, since every event needs it twice.
 */
export function idToBytes(id: string): Uint8Array {
  const bytes = new Uint8Array(16);
  let odd = (id.charCodeAt(8) ^ dash) | (id.charCodeAt(13) ^ dash) | (id.charCodeAt(18) ^ dash);
  odd |= (id.charCodeAt(23) ^ dash) | (id.length ^ 36);
  for (let index = 0; index < 16; index++) {
    const high = id.charCodeAt(digitPlaces[index]!);
    const low = id.charCodeAt(digitPlaces[index]! + 1);
    const value = (digitValues[high & 0x7f]! << 4) | digitValues[low & 0x7f]!;
    odd |= (high | low) >> 7;
    odd |= (digitValues[high & 0x7f]! | digitValues[low & 0x7f]!) >> 4;
    bytes[index] = value;
  }
  return odd === 0 ? bytes : Buffer.from(id.replaceAll('-', ''), 'hex');
}

export function bytesToId(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export const eventColumns =
  'row_no, id, log_no, partition, log_offset, received_at, stored_at, counted_as_other, event_type, client_id, source, ' +
  'key, occurred_at, redrive_of, content_hash, payload';

export interface EventRow {
  readonly row_no: number;
  readonly id: Uint8Array;
  readonly log_no: number;
  readonly partition: number;
  readonly log_offset: number;
  readonly received_at: number;
  readonly stored_at: number;
  readonly counted_as_other: number;
  readonly event_type: string;
  readonly client_id: string | null;
  readonly source: string | null;
  readonly key: string | null;
  readonly occurred_at: string | null;
  readonly redrive_of: string | null;
  readonly content_hash: Uint8Array;
  readonly payload: string;
}

export function toStoredEvent(row: EventRow): StoredEvent {
  return {
    id: bytesToId(row.id),
    eventType: row.event_type,
    clientId: row.client_id,
    source: row.source,
    key: row.key,
    occurredAt: row.occurred_at,
    receivedAt: row.received_at,
    redriveOf: row.redrive_of,
    payloadJson: row.payload,
    position: { logNo: row.log_no, partition: row.partition, offset: row.log_offset },
    storedAt: row.stored_at,
    contentHash: row.content_hash,
    countedAs: row.counted_as_other === 1 ? otherEventType : row.event_type,
  };
}

export const inboxColumns =
  'id, consumer, log_no, partition, log_offset, state, code, message, attempt, event_id, event_type, key, received_at, ' +
  'failed_at, counted_as, job_id, resolution, settled_at, value';

export interface InboxRow {
  readonly id: string;
  readonly consumer: string;
  readonly log_no: number;
  readonly partition: number;
  readonly log_offset: number;
  readonly state: InboxState;
  readonly code: InboxEntry['code'];
  readonly message: string;
  readonly attempt: number;
  readonly event_id: string | null;
  readonly event_type: string | null;
  readonly key: string | null;
  readonly received_at: number;
  readonly failed_at: number;
  readonly counted_as: string;
  readonly job_id: string | null;
  readonly resolution: string | null;
  readonly settled_at: number | null;
  readonly value: Uint8Array;
}

export function toInboxEntry(row: InboxRow): InboxEntry {
  return {
    id: row.id,
    consumer: row.consumer,
    position: { logNo: row.log_no, partition: row.partition, offset: row.log_offset },
    state: row.state,
    code: row.code,
    message: row.message,
    attempt: row.attempt,
    eventId: row.event_id,
    eventType: row.event_type,
    key: row.key,
    value: row.value,
    receivedAt: row.received_at,
    failedAt: row.failed_at,
    countedAs: row.counted_as,
    jobId: row.job_id,
    resolution: row.resolution === null ? null : (JSON.parse(row.resolution) as InboxResolution),
    settledAt: row.settled_at,
  };
}

export const progressColumns =
  'consumer, log_no, partition, log_id, base, next_offset, last_offset, last_hash, owner_epoch, commit_token, stored, ' +
  'duplicate, failed, lost, skipped, pruned';

export interface ProgressRow {
  readonly consumer: string;
  readonly log_no: number;
  readonly partition: number;
  readonly log_id: string;
  readonly base: number;
  readonly next_offset: number;
  readonly last_offset: number | null;
  readonly last_hash: Uint8Array | null;
  readonly owner_epoch: number;
  readonly commit_token: string;
  readonly stored: number;
  readonly duplicate: number;
  readonly failed: number;
  readonly lost: number;
  readonly skipped: number;
  readonly pruned: number;
}

export function toProgress(row: ProgressRow): PartitionProgress {
  const { stored, duplicate, failed, lost, skipped } = row;
  return {
    consumer: row.consumer,
    logNo: row.log_no,
    partition: row.partition,
    logId: row.log_id,
    base: row.base,
    nextOffset: row.next_offset,
    last: row.last_offset === null || row.last_hash === null ? null : { offset: row.last_offset, hash: row.last_hash },
    ownerEpoch: row.owner_epoch,
    commitToken: row.commit_token,
    outcomes: { stored, duplicate, failed, lost, skipped },
    pruned: row.pruned,
  };
}

export interface CurrentLog {
  readonly log_no: number;
  readonly log_id: string;
}

/** Answers the log that was adopted last, or null before the first claim. */
export function createCurrentLog(db: DatabaseSync): () => CurrentLog | null {
  const select = db.prepare('SELECT log_no, log_id FROM logs ORDER BY log_no DESC LIMIT 1');
  return () => firstRow<CurrentLog>(select);
}
