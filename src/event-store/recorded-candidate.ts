import { type ContentHashes, contentHashBytes } from '../domain/content.ts';
import type { ContentHash } from '../domain/event.ts';
import type { RecordedEvent } from '../domain/recorded-event.ts';
import type { Candidate } from './batch.ts';

/**
 * A candidate that was read from the log, as nearly all are. What few ask for, its hash as a text and its bytes by
 * themselves, is made when they do.
 */
export class RecordedCandidate implements Candidate {
  readonly event: RecordedEvent;
  readonly offset: number;
  /** Where the record's value stands in the bytes that its event stands in. */
  readonly start: number;
  readonly end: number;
  readonly hashes: ContentHashes;
  /** Which of the hashes is its own. */
  readonly nth: number;

  constructor(event: RecordedEvent, offset: number, start: number, end: number, hashes: ContentHashes, nth: number) {
    this.event = event;
    this.offset = offset;
    this.start = start;
    this.end = end;
    this.hashes = hashes;
    this.nth = nth;
  }

  get value(): Uint8Array {
    return this.event.record.subarray(this.start, this.end);
  }

  get contentHash(): ContentHash {
    return this.hashes.get(this.nth);
  }
}

/** Writes the bytes of its content's hash, `contentHashBytes` of them. */
export function writeContentHash(candidate: Candidate, target: Buffer, at: number): void {
  if (candidate instanceof RecordedCandidate) {
    candidate.hashes.write(candidate.nth, target, at);
    return;
  }
  const { contentHash } = candidate;
  if (target.write(contentHash, at, contentHashBytes, 'hex') !== contentHashBytes) {
    throw new Error(`${contentHash} is no hash of an event.`);
  }
}
