import { otherEventType, type StoredEvent } from '../domain/event.ts';
import type { InboxEntry, InboxResolution, InboxState } from '../domain/inbox.ts';
import { asBuffer } from '../domain/utf8.ts';
import type { PartitionProgress } from './event-store.ts';

/**
 * Rows as every database answers them: the tables have the same columns, and what differs is how an id and a flag are
 * kept.
 */
export interface EventFields {
  readonly log_no: number;
  readonly partition: number;
  readonly log_offset: number;
  readonly received_at: number;
  readonly stored_at: number;
  readonly event_type: string;
  readonly client_id: string | null;
  readonly source: string | null;
  readonly key: string | null;
  readonly occurred_at: string | null;
  readonly redrive_of: string | null;
  readonly content_hash: Uint8Array;
  readonly payload: string;
}

export function storedEventOf(row: EventFields, id: string, isCountedAsOther: boolean): StoredEvent {
  return {
    id,
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
    contentHash: asBuffer(row.content_hash).toString('hex'),
    countedAs: isCountedAsOther ? otherEventType : row.event_type,
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

export const jobColumns =
  'id, kind, state, total, done, failed, message, created_at AS "createdAt", updated_at AS "updatedAt"';

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
