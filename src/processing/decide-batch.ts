import { sameContent } from '../domain/content.ts';
import {
  type EventContent,
  noEventType,
  type OutcomeCounts,
  otherEventType,
  type Position,
  type StoredEvent,
} from '../domain/event.ts';
import { type InboxEntry, type InboxResolution, inboxId } from '../domain/inbox.ts';
import { createRollupBuilder } from '../domain/rollup.ts';
import type {
  BatchKnowledge,
  Candidate,
  CommitRequest,
  DuplicateRecord,
  RejectedRecord,
  SettledEntry,
  WriteSet,
} from '../event-store/event-store.ts';

interface Seen {
  readonly contentHash: Uint8Array;
  readonly content: EventContent | null;
  readonly position: Position;
}

/**
 * The whole decision about a batch, pure: which record is stored, which is a duplicate, which goes to the inbox, what that
 * adds to the metrics, and which inbox rows it settles. Every record gets exactly one outcome.
 *
 * Same id and same content: a duplicate. Same id and other content: never dropped, a conflict in the inbox.
 */
export function decideBatch(request: CommitRequest, knowledge: BatchKnowledge): WriteSet {
  const rollups = createRollupBuilder();
  const seen = new Map<string, Seen>();
  const events: StoredEvent[] = [];
  const duplicates: DuplicateRecord[] = [];
  const failed: InboxEntry[] = [];
  const settled: SettledEntry[] = [];

  const positionOf = (offset: number): Position => ({
    logNo: request.logNo,
    partition: request.partition,
    offset,
  });
  const countedAs = (eventType: string | null) =>
    eventType === null ? noEventType : (knowledge.countedAs.get(eventType) ?? otherEventType);

  function settle(redriveOf: string | null, resolution: InboxResolution): void {
    if (redriveOf !== null && knowledge.attempts.has(redriveOf)) settled.push({ inboxId: redriveOf, resolution });
  }

  function fail(record: RejectedRecord): void {
    const entry = inboxEntryOf(request, record, countedAs(record.eventType), knowledge.attempts);
    failed.push(entry);
    rollups.count('failed', record.receivedAt, entry.countedAs);
    settle(record.redriveOf, { kind: 'failed_again', inboxId: entry.id });
  }

  for (const candidate of request.candidates) {
    const { event, offset, contentHash } = candidate;
    const position = positionOf(offset);
    const earlier = seen.get(event.id) ?? knowledge.events.get(event.id);
    if (earlier === undefined) {
      const counted = countedAs(event.eventType);
      events.push({ ...event, position, storedAt: request.storedAt, contentHash, countedAs: counted });
      seen.set(event.id, { contentHash, content: event, position });
      rollups.count('stored', event.receivedAt, counted);
      // A redrive's latency would tell how long a person took.
      if (event.redriveOf === null) rollups.latency(event.receivedAt, request.storedAt);
      settle(event.redriveOf, { kind: 'stored', eventId: event.id });
    } else if (isSame(earlier, candidate)) {
      duplicates.push({ eventId: event.id, position, receivedAt: event.receivedAt });
      rollups.count('duplicate', event.receivedAt, countedAs(event.eventType));
      settle(event.redriveOf, { kind: 'duplicate', eventId: event.id });
    } else {
      fail(conflictOf(candidate, earlier.position));
    }
  }
  for (const record of request.rejected) fail(record);

  // One order of ids for every worker: two batches that meet on an id then lock alike and cannot deadlock.
  events.sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const outcomes: OutcomeCounts = {
    stored: events.length,
    duplicate: duplicates.length,
    failed: failed.length,
    lost: request.lost,
    skipped: request.skipped,
  };
  return { events, duplicates, failed, settled, rollups: rollups.build(), outcomes };
}

function isSame(earlier: Seen, { event, contentHash }: Candidate): boolean {
  if (Buffer.compare(earlier.contentHash, contentHash) === 0) return true;
  // Other bytes may still be the same value: 1.0 and 1, or another order of keys.
  return earlier.content !== null && sameContent(earlier.content, event);
}

function conflictOf({ event, offset, value }: Candidate, first: Position): RejectedRecord {
  return {
    offset,
    code: 'conflict',
    message:
      `An event with the id ${event.id} and other content was stored before ` +
      `(partition ${first.partition}, offset ${first.offset}). Redrive it to store it under an id of its own.`,
    eventId: event.id,
    eventType: event.eventType,
    key: event.key,
    redriveOf: event.redriveOf,
    receivedAt: event.receivedAt,
    value,
  };
}

function inboxEntryOf(
  request: CommitRequest,
  record: RejectedRecord,
  countedAs: string,
  attempts: ReadonlyMap<string, number>,
): InboxEntry {
  const position = { logNo: request.logNo, partition: request.partition, offset: record.offset };
  const earlierAttempt = record.redriveOf === null ? 0 : (attempts.get(record.redriveOf) ?? 0);
  return {
    id: inboxId(request.consumer, position),
    consumer: request.consumer,
    position,
    state: 'open',
    code: record.code,
    message: record.message,
    attempt: earlierAttempt + 1,
    eventId: record.eventId,
    eventType: record.eventType,
    key: record.key,
    value: record.value,
    receivedAt: record.receivedAt,
    failedAt: request.storedAt,
    countedAs,
    jobId: null,
    resolution: null,
    settledAt: null,
  };
}
