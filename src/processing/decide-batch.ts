import { sameContent } from '../domain/content.ts';
import {
  type DuplicateRecord,
  noEventType,
  type OutcomeCounts,
  otherEventType,
  type Position,
} from '../domain/event.ts';
import { type InboxEntry, type InboxResolution, inboxId } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { createRollupBuilder } from '../domain/rollup.ts';
import type {
  BatchKnowledge,
  Candidate,
  CommitRequest,
  KnownEvent,
  RejectedRecord,
  SettledEntry,
  WriteSet,
} from '../event-store/batch.ts';
import { inOrderOfId, repeated, withId } from '../event-store/by-id.ts';

type Seen = Pick<KnownEvent, 'contentHash' | 'content' | 'position'>;

/**
 * The whole decision about a batch, pure: which record is stored, which is a duplicate, which goes to the inbox, what
 * that adds to the metrics, and which inbox rows it settles. Every record gets exactly one outcome.
 *
 * Same id and same content: a duplicate. Same id and other content: never dropped, a conflict in the inbox. What was
 * redriven for a failed event that somebody has discarded since is skipped: both at once would be said of one event
 * else.
 */
export function decideBatch(request: CommitRequest, knowledge: BatchKnowledge): WriteSet {
  const rollups = createRollupBuilder();
  const earlierOf = createMemory(request, knowledge);
  const countedAsOther = new Set<string>();
  /** Offsets of the candidates that are not stored. */
  const passedOver = new Set<number>();
  const duplicates: DuplicateRecord[] = [];
  const inbox = createInboxChanges(request, knowledge);

  const countedAs = (eventType: string | null) =>
    eventType === null ? noEventType : (knowledge.countedAs.get(eventType) ?? otherEventType);

  function fail(record: RejectedRecord): void {
    const entry = inbox.add(record, countedAs(record.eventType));
    rollups.count('failed', record.receivedAt, entry.countedAs);
    inbox.settle(record.redriveOf, { kind: 'failed_again', inboxId: entry.id });
  }

  let skipped = request.skipped;
  for (const record of inOrder(request)) {
    const redriveOf = 'event' in record ? record.event.redriveOf : record.redriveOf;
    if (redriveOf !== null && knowledge.discarded.has(redriveOf)) {
      skipped += 1;
      passedOver.add(record.offset);
      continue;
    }
    if (!('event' in record)) {
      fail(record);
      continue;
    }
    const { event, offset } = record;
    const earlier = earlierOf(record);
    if (earlier === undefined) {
      const counted = countedAs(event.eventType);
      if (counted === otherEventType) countedAsOther.add(event.eventType);
      rollups.count('stored', event.receivedAt, counted);
      // A redrive's latency would tell how long a person took.
      if (event.redriveOf === null) rollups.latency(event.receivedAt, request.storedAt);
      inbox.settle(event.redriveOf, { kind: 'stored', eventId: event.id });
      continue;
    }
    passedOver.add(offset);
    if (isSame(earlier, record)) {
      duplicates.push({ eventId: event.id, position: positionOf(request, offset), receivedAt: event.receivedAt });
      rollups.count('duplicate', event.receivedAt, countedAs(event.eventType));
      inbox.settle(event.redriveOf, { kind: 'duplicate', eventId: event.id });
    } else {
      fail(conflictOf(record, earlier.position));
    }
  }

  // One order of ids for every worker: two batches that meet on an id then lock alike and cannot deadlock.
  const sorted = inOrderOfId(request.candidates);
  const events = passedOver.size === 0 ? sorted : sorted.filter((candidate) => !passedOver.has(candidate.offset));
  const { failed, settled } = inbox.changes();
  const outcomes: OutcomeCounts = {
    stored: events.length,
    duplicate: duplicates.length,
    failed: failed.length,
    lost: request.lost,
    skipped,
  };
  return { events, countedAsOther, duplicates, failed, settled, rollups: rollups.build(), outcomes };
}

/**
 * Answers what was there before with a record's id: in the batch, or else in the store; where nothing was, it is the
 * first from then on. Only those records are looked at whose id is met more than once.
 */
function createMemory(request: CommitRequest, { events }: BatchKnowledge): (record: Candidate) => Seen | undefined {
  const sorted = inOrderOfId(request.candidates);
  const met = new Set(repeated(sorted).map(({ offset }) => offset));
  for (const id of events.keys()) for (const { offset } of withId(sorted, id)) met.add(offset);
  if (met.size === 0) return () => undefined;
  const seen = new Map<string, Seen>(events);
  return (candidate) => {
    const { event, offset } = candidate;
    if (!met.has(offset)) return undefined;
    const earlier = seen.get(event.id);
    if (earlier === undefined) {
      seen.set(event.id, { contentHash: candidate.contentHash, content: event, position: positionOf(request, offset) });
    }
    return earlier;
  };
}

function positionOf({ logNo, partition }: CommitRequest, offset: number): Position {
  return { logNo, partition, offset };
}

function isSame(earlier: Seen, { event, contentHash }: Candidate): boolean {
  if (earlier.contentHash === contentHash) return true;
  // Other bytes may still be the same value: 1.0 and 1, or another order of keys.
  const { content } = earlier;
  return content !== null && sameContent(content, event);
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

/**
 * In the order of the log: a redrive may stand in one batch with the record it is made of, when the log is read again.
 */
function inOrder({ candidates, rejected }: CommitRequest): readonly (Candidate | RejectedRecord)[] {
  return rejected.length === 0 ? candidates : [...candidates, ...rejected].sort((a, b) => a.offset - b.offset);
}

/** The inbox rows that a batch makes, and those it settles: its own, or rows that the store has. */
function createInboxChanges(request: CommitRequest, { attempts }: BatchKnowledge) {
  const made = new Map<string, InboxEntry>();
  const settled: SettledEntry[] = [];

  return {
    add(record: RejectedRecord, countedAs: string): InboxEntry {
      const { redriveOf } = record;
      const earlier = redriveOf === null ? 0 : (made.get(redriveOf)?.attempt ?? attempts.get(redriveOf) ?? 0);
      const entry = inboxEntryOf(request, record, countedAs, earlier + 1);
      made.set(entry.id, entry);
      return entry;
    },
    settle(redriveOf: string | null, resolution: InboxResolution): void {
      if (redriveOf === null) return;
      const own = made.get(redriveOf);
      if (own?.state === 'open') {
        made.set(redriveOf, { ...own, state: 'resolved', resolution, settledAt: request.storedAt });
      } else if (attempts.has(redriveOf)) {
        settled.push({ inboxId: redriveOf, resolution });
      }
    },
    changes: () => ({ failed: [...made.values()], settled }),
  };
}

function inboxEntryOf(request: CommitRequest, record: RejectedRecord, countedAs: string, attempt: number): InboxEntry {
  const position = positionOf(request, record.offset);
  const kept = record.value.subarray(0, limits.inboxValueBytesMax);
  const isWhole = kept.byteLength === record.value.byteLength;
  return {
    id: inboxId(request.consumer, position),
    consumer: request.consumer,
    position,
    state: 'open',
    code: record.code,
    message: isWhole ? record.message : `${record.message}; the first ${kept.byteLength} are kept`,
    attempt,
    eventId: record.eventId,
    eventType: record.eventType,
    key: record.key,
    value: kept,
    receivedAt: record.receivedAt,
    failedAt: request.storedAt,
    countedAs,
    jobId: null,
    resolution: null,
    settledAt: null,
  };
}
