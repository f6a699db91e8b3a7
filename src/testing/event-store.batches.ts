import { randomUUID } from 'node:crypto';
import { hashContent } from '../domain/content.ts';
import type { EventEnvelope, Position } from '../domain/event.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { rollupSteps } from '../domain/rollup.ts';
import type { Candidate, CommitRequest, RejectedRecord, WriteSet } from '../event-store/batch.ts';
import type { CommitResult, EventStore, MaintenanceRequest, PartitionProgress } from '../event-store/event-store.ts';
import { decideBatch } from '../processing/decide-batch.ts';

/** What tests of the event store are made of: events, broken records, batches and maintenance that fit a progress. */
export const logId = 'log-a';
/** A whole hour, so that cases can count steps from it. */
export const startAt = Date.UTC(2026, 0, 15, 12);

export function claimOf(partition = 0, logStart = 0, ofLog = logId) {
  return { consumer: storeConsumer, partition, logId: ofLog, logStart };
}

export function eventOf(overrides: Partial<EventEnvelope> = {}): EventEnvelope {
  return {
    id: randomUUID(),
    eventType: 'order.placed',
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    receivedAt: startAt,
    redriveOf: null,
    payloadJson: '{"amount":1.50}',
    ...overrides,
  };
}

export function eventsOf(count: number, overrides: (index: number) => Partial<EventEnvelope> = () => ({})) {
  return Array.from({ length: count }, (_, index) => eventOf(overrides(index)));
}

export function rejectedOf(overrides: Partial<RejectedRecord> = {}): Omit<RejectedRecord, 'offset'> {
  return {
    code: 'invalid_json',
    message: 'The record is not JSON.',
    eventId: null,
    eventType: null,
    key: null,
    redriveOf: null,
    receivedAt: startAt,
    value: Buffer.from('{oops'),
    ...overrides,
  };
}

/** Records in the order of their offsets, which follow the progress given without a gap. */
export type BatchRecord = EventEnvelope | Omit<RejectedRecord, 'offset'>;

export function batchOf(
  progress: PartitionProgress,
  records: readonly BatchRecord[],
  overrides: Partial<CommitRequest> = {},
): CommitRequest {
  const { consumer, logNo, partition, ownerEpoch, nextOffset, commitToken } = progress;
  const lost = overrides.lost ?? 0;
  const skipped = overrides.skipped ?? 0;
  const first = nextOffset + lost + skipped;
  const candidates: Candidate[] = [];
  const rejected: RejectedRecord[] = [];
  for (const [index, record] of records.entries()) {
    const offset = first + index;
    if ('payloadJson' in record) {
      const value = Buffer.from(JSON.stringify(record));
      candidates.push({ event: record, offset, contentHash: hashContent(record), value });
    } else rejected.push({ ...record, offset });
  }
  const next = first + records.length;
  return {
    consumer,
    logNo,
    partition,
    ownerEpoch,
    expectedOffset: nextOffset,
    previousToken: commitToken,
    token: randomUUID(),
    nextOffset: next,
    last: records.length === 0 ? null : { offset: next - 1, hash: Buffer.alloc(32, 7) },
    candidates,
    rejected,
    skipped,
    lost,
    storedAt: startAt + 5,
    ...overrides,
  };
}

/** Commits a batch that must go through. Answers what was written, and progress afterwards. */
export async function commitBatch(
  store: EventStore,
  progress: PartitionProgress,
  records: readonly BatchRecord[],
  overrides: Partial<CommitRequest> = {},
): Promise<{ readonly written: WriteSet; readonly progress: PartitionProgress; readonly request: CommitRequest }> {
  const request = batchOf(progress, records, overrides);
  const result = await store.commit(request, decideBatch);
  return { written: writtenBy(result), progress: await progressOf(store, progress.partition), request };
}

export function writtenBy(result: CommitResult): WriteSet {
  if (result.kind !== 'committed' || result.written === null)
    throw new Error(`The batch was not written: ${result.kind}`);
  return result.written;
}

export async function progressOf(store: EventStore, partition = 0): Promise<PartitionProgress> {
  const rows = await store.progress(storeConsumer);
  const found = rows.find((row) => row.partition === partition);
  if (found === undefined) throw new Error(`Partition ${partition} has no progress.`);
  return found;
}

/** Maintenance that has nothing to do unless told so. */
export function maintenanceOf(
  progress: PartitionProgress,
  overrides: Partial<MaintenanceRequest> = {},
): MaintenanceRequest {
  const { consumer, logNo, partition, ownerEpoch, nextOffset, commitToken } = progress;
  return {
    consumer,
    logNo,
    partition,
    ownerEpoch,
    expectedOffset: nextOffset,
    previousToken: commitToken,
    token: randomUUID(),
    now: startAt + rollupSteps.hourMs,
    pruneBefore: null,
    publishedOnly: false,
    jobsEndedBefore: null,
    foldFineBefore: 0,
    foldMinutesBefore: 0,
    ...overrides,
  };
}

export function at(offset: number, partition = 0, logNo = 1): Position {
  return { logNo, partition, offset };
}
