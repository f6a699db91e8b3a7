import type { DatabaseSync } from 'node:sqlite';
import { type EventContent, otherEventType } from '../../domain/event.ts';
import type { InboxState } from '../../domain/inbox.ts';
import { asBuffer } from '../../domain/utf8.ts';
import type { BatchKnowledge, Candidate, CommitRequest, KnownEvent } from '../batch.ts';
import { firstRow } from './connection.ts';
import { idToBytes } from './rows.ts';

/** Collects, inside the transaction, what the store knows of a batch's ids, types and redriven rows. */
export function createKnowledge(db: DatabaseSync, eventTypesMax: number): (request: CommitRequest) => BatchKnowledge {
  const byId = db.prepare('SELECT log_no, partition, log_offset, content_hash FROM events WHERE id = ?');
  const contentById = db.prepare('SELECT event_type, source, occurred_at, payload FROM events WHERE id = ?');
  const redrivenRow = db.prepare('SELECT attempt, state FROM inbox WHERE id = ?');
  const namedType = db.prepare('SELECT 1 AS named FROM event_types WHERE name = ?');
  const namedTypes = db.prepare('SELECT count(*) AS n FROM event_types');
  const insertType = db.prepare('INSERT INTO event_types (name) VALUES (?)');

  function knownEvents(candidates: readonly Candidate[]): Map<string, KnownEvent> {
    const known = new Map<string, KnownEvent>();
    const withContent = new Set<string>();
    for (const { event, contentHash } of candidates) {
      const { id } = event;
      let entry = known.get(id) ?? lookUp(id);
      if (entry === null) continue;
      if (!withContent.has(id) && entry.contentHash !== contentHash) {
        withContent.add(id);
        entry = readingContent(entry);
      }
      known.set(id, entry);
    }
    return known;
  }

  function lookUp(id: string): KnownEvent | null {
    const row = firstRow<{ log_no: number; partition: number; log_offset: number; content_hash: Uint8Array }>(
      byId,
      idToBytes(id),
    );
    if (row === null) return null;
    const position = { logNo: row.log_no, partition: row.partition, offset: row.log_offset };
    return { id, position, contentHash: asBuffer(row.content_hash).toString('hex'), content: null };
  }

  /** Read when it is asked for and not kept: the contents of a batch's ids together may be half a gigabyte. */
  function readingContent({ id, position, contentHash }: KnownEvent): KnownEvent {
    return {
      id,
      position,
      contentHash,
      get content() {
        return readContent(id);
      },
    };
  }

  function readContent(id: string): EventContent {
    const row = firstRow<{ event_type: string; source: string | null; occurred_at: string | null; payload: string }>(
      contentById,
      idToBytes(id),
    )!;
    return { eventType: row.event_type, source: row.source, occurredAt: row.occurred_at, payloadJson: row.payload };
  }

  function countedAs({ candidates, rejected }: CommitRequest): Map<string, string> {
    const names = new Map<string, string>();
    let named: number | null = null;
    const decide = (eventType: string) => {
      if (names.has(eventType)) return;
      if (firstRow(namedType, eventType) !== null) {
        names.set(eventType, eventType);
        return;
      }
      named ??= firstRow<{ n: number }>(namedTypes)!.n;
      if (named >= eventTypesMax) {
        names.set(eventType, otherEventType);
        return;
      }
      insertType.run(eventType);
      named += 1;
      names.set(eventType, eventType);
    };
    for (const { event } of candidates) decide(event.eventType);
    for (const { eventType } of rejected) if (eventType !== null) decide(eventType);
    return names;
  }

  function redriven({ candidates, rejected }: CommitRequest): Pick<BatchKnowledge, 'attempts' | 'discarded'> {
    const attempts = new Map<string, number>();
    const discarded = new Set<string>();
    const look = (inboxId: string | null) => {
      if (inboxId === null || attempts.has(inboxId)) return;
      const row = firstRow<{ attempt: number; state: InboxState }>(redrivenRow, inboxId);
      if (row === null) return;
      attempts.set(inboxId, row.attempt);
      if (row.state === 'discarded') discarded.add(inboxId);
    };
    for (const { event } of candidates) look(event.redriveOf);
    for (const { redriveOf } of rejected) look(redriveOf);
    return { attempts, discarded };
  }

  return (request) => ({
    events: knownEvents(request.candidates),
    countedAs: countedAs(request),
    ...redriven(request),
  });
}
