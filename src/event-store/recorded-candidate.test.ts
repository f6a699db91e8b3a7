import { expect, it } from 'vitest';
import { ContentHashes, contentHashBytes, hashContent } from '../domain/content.ts';
import { encodeRecord, eventAt } from '../domain/record-codec.ts';
import { eventOf, startAt } from '../testing/event-store.batches.ts';
import type { Candidate } from './batch.ts';
import { RecordedCandidate, writeContentHash } from './recorded-candidate.ts';

const value = encodeRecord(eventOf());
const event = eventAt(Buffer.concat([Buffer.from('before'), value, value]), 6, 6 + value.length, startAt)!;
const hashes = new ContentHashes(2);
hashes.set(1, event);
const recorded = new RecordedCandidate(event, 7, 6, 6 + value.length, hashes, 1);

function hashWritten(candidate: Candidate): string {
  const target = Buffer.alloc(contentHashBytes + 2, 0xee);
  writeContentHash(candidate, target, 1);
  return target.toString('hex');
}

it('is what its record is', () => {
  const { offset, contentHash } = recorded;
  expect({ offset, contentHash, value: recorded.value }).toEqual({ offset: 7, contentHash: hashContent(event), value });
});

it('has its hash written as any candidate has', () => {
  const other = { event, offset: 7, contentHash: hashContent(event), value };
  expect(hashWritten(recorded)).toBe(`ee${hashContent(event)}ee`);
  expect(hashWritten(other)).toBe(hashWritten(recorded));
});

it('is not written with a hash that is none', () => {
  const other = { event, offset: 7, contentHash: 'abc', value };
  expect(() => hashWritten(other)).toThrow('abc is no hash of an event.');
});
