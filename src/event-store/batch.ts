import type {
  ContentHash,
  DuplicateRecord,
  EventContent,
  EventEnvelope,
  OutcomeCounts,
  Position,
} from '../domain/event.ts';
import type { InboxEntry, InboxResolution } from '../domain/inbox.ts';
import type { RollupDelta } from '../domain/rollup.ts';

/**
 * A batch of records on its way into the store: what is asked, what the store knows, and what is written
 * (event-store.ts).
 */

export interface LastRecord {
  readonly offset: number;
  readonly hash: Uint8Array;
}

/** An event of the batch that wants to be stored. */
export interface Candidate {
  readonly event: EventEnvelope;
  readonly offset: number;
  readonly contentHash: ContentHash;
  /** The record's bytes, for the inbox row that a conflict makes. */
  readonly value: Uint8Array;
}

/** A record of the batch that is no event, or not one that may be stored. */
export interface RejectedRecord {
  readonly offset: number;
  readonly code: InboxEntry['code'];
  readonly message: string;
  readonly eventId: string | null;
  readonly eventType: string | null;
  readonly key: string | null;
  readonly redriveOf: string | null;
  readonly receivedAt: number;
  readonly value: Uint8Array;
}

/** What a transaction must find in the progress row to be allowed to write, and the token that it leaves there. */
export interface Guard {
  readonly consumer: string;
  readonly logNo: number;
  readonly partition: number;
  readonly ownerEpoch: number;
  readonly expectedOffset: number;
  readonly previousToken: string;
  /** Fresh for every batch, the same for every try of one batch. */
  readonly token: string;
}

export interface CommitRequest extends Guard {
  readonly nextOffset: number;
  /** The last data record of the batch; null leaves what is there. */
  readonly last: LastRecord | null;
  readonly candidates: readonly Candidate[];
  readonly rejected: readonly RejectedRecord[];
  readonly skipped: number;
  readonly lost: number;
  /** Stamped once, when the batch was built. */
  readonly storedAt: number;
}

/** What the store knows of an id. */
export interface KnownEvent {
  readonly id: string;
  readonly position: Position;
  readonly contentHash: ContentHash;
  /** Given only where a candidate with this id has another hash. May be read anew each time it is asked for. */
  readonly content: EventContent | null;
}

/** What the store knows when a batch is decided. */
export interface BatchKnowledge {
  readonly events: ReadonlyMap<string, KnownEvent>;
  /** Event type → the name it is counted under, for every type of the batch. */
  readonly countedAs: ReadonlyMap<string, string>;
  /** Of the rows that records of the batch were redriven for, those that were discarded meanwhile. */
  readonly discarded: ReadonlySet<string>;
  /** Inbox id → the attempt of that row, for every `redriveOf` of the batch that exists. */
  readonly attempts: ReadonlyMap<string, number>;
}

export interface SettledEntry {
  readonly inboxId: string;
  readonly resolution: InboxResolution;
}

/** What one batch writes. Made by the pure decision in processing/decide-batch.ts, from a request and the knowledge. */
export interface WriteSet {
  /** Those that are stored, in order of id, so that racing transactions lock alike. */
  readonly events: readonly Candidate[];
  /** Types of them that are counted under `(other)`; all others under their own name. */
  readonly countedAsOther: ReadonlySet<string>;
  readonly duplicates: readonly DuplicateRecord[];
  readonly failed: readonly InboxEntry[];
  readonly settled: readonly SettledEntry[];
  readonly rollups: RollupDelta;
  readonly outcomes: OutcomeCounts;
}

/** What of a write set the rows of `events` are made of. */
export type EventsToStore = Pick<WriteSet, 'events' | 'countedAsOther'>;

export type Decide = (request: CommitRequest, knowledge: BatchKnowledge) => WriteSet;
