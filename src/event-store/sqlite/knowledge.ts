import type { DatabaseSync } from 'node:sqlite';
import { type EventContent, otherEventType } from '../../domain/event.ts';
import type { InboxState } from '../../domain/inbox.ts';
import { asBuffer } from '../../domain/utf8.ts';
import type { BatchKnowledge, Candidate, CommitRequest, KnownEvent } from '../batch.ts';
import { allRows, firstRow } from './connection.ts';
import { bytesToId, idLength, idToBytes, writeIdBytes } from './rows.ts';

interface KnownRow {
  readonly id: Uint8Array;
  readonly log_no: number;
  readonly partition: number;
  readonly log_offset: number;
  readonly content_hash: Uint8Array;
}

const knownColumns = 'id, log_no, partition, log_offset, content_hash';
/** Asked for by one statement, which takes half as long for each as one for each, whether 16 or 64. */
const idsAtOnce = 16;

/** Collects, inside the transaction, what the store knows of a batch's ids, types and redriven rows. */
export function createKnowledge(db: DatabaseSync, eventTypesMax: number): (request: CommitRequest) => BatchKnowledge {
  const byId = db.prepare(`SELECT ${knownColumns} FROM events WHERE id = ?`);
  const wanted = Array.from({ length: idsAtOnce }, () => '(?)').join(', ');
  // The order of the join is left as it stands here: each id is looked for in its index.
  const byIds = db.prepare(
    `WITH wanted (wanted_id) AS (VALUES ${wanted}) SELECT ${knownColumns} FROM wanted CROSS JOIN events ON id = wanted_id`,
  );
  const buffers = Array.from({ length: idsAtOnce }, () => new Uint8Array(idLength));
  const contentById = db.prepare('SELECT event_type, source, occurred_at, payload FROM events WHERE id = ?');
  const redrivenRow = db.prepare('SELECT attempt, state FROM inbox WHERE id = ?');
  const namedType = db.prepare('SELECT 1 AS named FROM event_types WHERE name = ?');
  const namedTypes = db.prepare('SELECT count(*) AS n FROM event_types');
  const insertType = db.prepare('INSERT INTO event_types (name) VALUES (?)');

  function knownEvents(candidates: readonly Candidate[]): ReadonlyMap<string, KnownEvent> {
    const known = lookUp(candidates);
    if (known.size === 0) return known;
    const withContent = new Set<string>();
    for (const candidate of candidates) {
      const { event } = candidate;
      const entry = known.get(event.id);
      if (entry === undefined || withContent.has(event.id) || entry.contentHash === candidate.contentHash) continue;
      withContent.add(event.id);
      known.set(event.id, readingContent(entry));
    }
    return known;
  }

  function lookUp(candidates: readonly Candidate[]): Map<string, KnownEvent> {
    const known = new Map<string, KnownEvent>();
    const add = ({ id: bytes, log_no: logNo, partition, log_offset: offset, content_hash: hash }: KnownRow) => {
      const id = bytesToId(bytes);
      const position = { logNo, partition, offset };
      known.set(id, { id, position, contentHash: asBuffer(hash).toString('hex'), content: null });
    };
    let next = 0;
    for (; next + idsAtOnce <= candidates.length; next += idsAtOnce) {
      const ids = buffers.map((buffer, index) => writeIdBytes(buffer, candidates[next + index]!.event.id));
      for (const row of allRows<KnownRow>(byIds, ...ids)) add(row);
    }
    for (const { event } of candidates.slice(next)) {
      const row = firstRow<KnownRow>(byId, idToBytes(event.id));
      if (row !== null) add(row);
    }
    return known;
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
