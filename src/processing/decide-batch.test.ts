import { describe, expect, it } from 'vitest';
import { hashContent } from '../domain/content.ts';
import type { EventEnvelope } from '../domain/event.ts';
import { limits } from '../domain/limits.ts';
import type { BatchKnowledge, Candidate, CommitRequest, RejectedRecord } from '../event-store/batch.ts';
import { decideBatch } from './decide-batch.ts';

const receivedAt = Date.UTC(2026, 0, 1, 12, 0, 3);
const storedAt = receivedAt + 40;
const idA = '0190a3f0-0000-7000-8000-00000000000a';
const idB = '0190a3f0-0000-7000-8000-00000000000b';

function event(fields: Partial<EventEnvelope> = {}): EventEnvelope {
  return {
    id: idA,
    eventType: 'order.placed',
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    receivedAt,
    redriveOf: null,
    payloadJson: '{"total":10}',
    ...fields,
  };
}

function candidate(offset: number, fields: Partial<EventEnvelope> = {}): Candidate {
  const made = event(fields);
  return { event: made, offset, contentHash: hashContent(made), value: Buffer.from(`record ${offset}`) };
}

function rejectedRecord(offset: number, fields: Partial<RejectedRecord> = {}): RejectedRecord {
  return {
    offset,
    code: 'invalid_json',
    message: 'not JSON',
    eventId: null,
    eventType: null,
    key: null,
    redriveOf: null,
    receivedAt,
    value: Buffer.from('{'),
    ...fields,
  };
}

function request(candidates: Candidate[], rejected: RejectedRecord[] = []): CommitRequest {
  return {
    consumer: 'store',
    logNo: 1,
    partition: 3,
    ownerEpoch: 1,
    expectedOffset: 0,
    previousToken: 'before',
    token: 'after',
    nextOffset: candidates.length + rejected.length,
    last: null,
    candidates,
    rejected,
    skipped: 0,
    lost: 0,
    storedAt,
  };
}

function knowledge(fields: Partial<BatchKnowledge> = {}): BatchKnowledge {
  return {
    events: new Map(),
    countedAs: new Map([['order.placed', 'order.placed']]),
    attempts: new Map(),
    discarded: new Set(),
    ...fields,
  };
}

function known(of: Candidate, withContent = false) {
  const { id } = of.event;
  const position = { logNo: 1, partition: 0, offset: 77 };
  return new Map([[id, { id, position, contentHash: of.contentHash, content: withContent ? of.event : null }]]);
}

describe('decideBatch', () => {
  it('stores what is new, at its position, stamped once', () => {
    const written = decideBatch(request([candidate(5)]), knowledge());
    expect(written.events).toHaveLength(1);
    expect(written.events[0]).toMatchObject({ event: { id: idA }, offset: 5 });
    expect(written.countedAsOther).toEqual(new Set());
    expect(written.outcomes).toEqual({ stored: 1, duplicate: 0, failed: 0, lost: 0, skipped: 0 });
    expect(written.rollups.counts).toEqual([
      { at: Date.UTC(2026, 0, 1, 12, 0, 0), eventType: 'order.placed', stored: 1, duplicate: 0, failed: 0 },
    ]);
  });

  it('puts rows in order of id, whatever their order in the log', () => {
    const written = decideBatch(request([candidate(0, { id: idB }), candidate(1, { id: idA })]), knowledge());
    expect(written.events.map(({ event }) => event.id)).toEqual([idA, idB]);
  });

  it('counts the same id with the same content as a duplicate of the stored row', () => {
    const again = candidate(5);
    const written = decideBatch(request([again]), knowledge({ events: known(again) }));
    expect(written.events).toEqual([]);
    expect(written.duplicates).toEqual([{ eventId: idA, position: { logNo: 1, partition: 3, offset: 5 }, receivedAt }]);
    expect(written.outcomes.duplicate).toBe(1);
  });

  it('counts the second of two equal events inside one batch as the duplicate', () => {
    const written = decideBatch(request([candidate(5), candidate(6)]), knowledge());
    expect(written.events[0]?.offset).toBe(5);
    expect(written.duplicates[0]?.position.offset).toBe(6);
  });

  it('takes other bytes of the same value as the same content', () => {
    const first = candidate(5, { payloadJson: '{"a":1,"b":2}' });
    const again = candidate(6, { payloadJson: '{"b":2.0,"a":1e0}' });
    expect(decideBatch(request([again]), knowledge({ events: known(first, true) })).outcomes.duplicate).toBe(1);
    expect(decideBatch(request([first, again]), knowledge()).outcomes.duplicate).toBe(1);
  });

  it.each([
    ['payload', { payloadJson: '{"total":11}' }],
    ['type', { eventType: 'order.paid' }],
    ['source', { source: 'shop' }],
    ['occurred_at', { occurredAt: '2026-01-01T00:00:00Z' }],
  ])('sends the same id with another %s to the inbox as a conflict, never dropping it', (_what, fields) => {
    const first = candidate(5);
    const other = candidate(6, fields);
    const written = decideBatch(request([other]), knowledge({ events: known(first, true) }));
    expect(written.outcomes).toMatchObject({ stored: 0, duplicate: 0, failed: 1 });
    expect(written.failed[0]).toMatchObject({
      id: 'store:1:3:6',
      code: 'conflict',
      state: 'open',
      attempt: 1,
      eventId: idA,
      value: other.value,
    });
  });

  it('does not let key and received_at make a conflict', () => {
    const again = candidate(6, { key: 'other', receivedAt: receivedAt + 9 });
    expect(decideBatch(request([again]), knowledge({ events: known(candidate(5)) })).outcomes.duplicate).toBe(1);
  });

  it('gives a rejected record an inbox row with its bytes and counts it under (none) when it has no type', () => {
    const written = decideBatch(request([], [rejectedRecord(9)]), knowledge());
    expect(written.failed[0]).toMatchObject({
      id: 'store:1:3:9',
      code: 'invalid_json',
      countedAs: '(none)',
      failedAt: storedAt,
    });
    expect(written.rollups.counts[0]).toMatchObject({ eventType: '(none)', failed: 1 });
  });

  it('counts types past the limit under (other)', () => {
    const written = decideBatch(
      request([candidate(1)]),
      knowledge({ countedAs: new Map([['order.placed', '(other)']]) }),
    );
    expect(written.countedAsOther).toEqual(new Set(['order.placed']));
    expect(written.rollups.counts[0]?.eventType).toBe('(other)');
  });

  it('settles the inbox row a redrive came from, and leaves its latency out', () => {
    const redrive = candidate(5, { redriveOf: 'store:1:0:4' });
    const written = decideBatch(request([redrive]), knowledge({ attempts: new Map([['store:1:0:4', 2]]) }));
    expect(written.settled).toEqual([{ inboxId: 'store:1:0:4', resolution: { kind: 'stored', eventId: idA } }]);
    expect(written.rollups.latencies).toEqual([]);
  });

  it('skips what was redriven for a row that was discarded meanwhile', () => {
    const of = { redriveOf: 'store:1:0:4' };
    const written = decideBatch(
      request([candidate(5, of), candidate(6, { id: idB })], [rejectedRecord(8, of)]),
      knowledge({ attempts: new Map([['store:1:0:4', 1]]), discarded: new Set(['store:1:0:4']) }),
    );
    expect(written).toMatchObject({ outcomes: { stored: 1, skipped: 2, failed: 0 }, settled: [], failed: [] });
    expect(written.events.map(({ event }) => event.id)).toEqual([idB]);
    expect(written.rollups.counts).toHaveLength(1);
  });

  it('keeps so much of a record that is far too large, and says so', () => {
    const value = Buffer.alloc(limits.inboxValueBytesMax + 1, 'x');
    const { failed } = decideBatch(request([], [rejectedRecord(0, { value, message: 'too large' })]), knowledge());
    expect(failed[0]?.value.byteLength).toBe(limits.inboxValueBytesMax);
    expect(failed[0]?.message).toBe('too large; the first 8388608 are kept');
    const whole = rejectedRecord(0, { value: value.subarray(1), message: 'too large' });
    expect(decideBatch(request([], [whole]), knowledge()).failed[0]?.message).toBe('too large');
  });

  it('closes the old row and opens a new one, attempt + 1, when a redrive fails again', () => {
    const again = rejectedRecord(8, { redriveOf: 'store:1:0:4' });
    const written = decideBatch(request([], [again]), knowledge({ attempts: new Map([['store:1:0:4', 2]]) }));
    expect(written.failed[0]?.attempt).toBe(3);
    expect(written.settled).toEqual([
      { inboxId: 'store:1:0:4', resolution: { kind: 'failed_again', inboxId: 'store:1:3:8' } },
    ]);
  });

  it('settles a row that it makes itself, as when the log is read again from before both records', () => {
    const failure = rejectedRecord(4, { eventType: 'order.placed' });
    const redrive = candidate(5, { redriveOf: 'store:1:3:4' });
    const again = rejectedRecord(6, { redriveOf: 'store:1:3:4' });
    const written = decideBatch(request([redrive], [failure, again]), knowledge());
    expect(written.failed).toMatchObject([
      { id: 'store:1:3:4', state: 'resolved', resolution: { kind: 'stored', eventId: idA }, settledAt: storedAt },
      { id: 'store:1:3:6', state: 'open', attempt: 2 },
    ]);
    expect(written.settled).toEqual([]);
  });

  it('settles a row whose redrive turns out to be stored already, as a duplicate', () => {
    const redrive = candidate(5, { redriveOf: 'store:1:0:4' });
    const written = decideBatch(
      request([redrive]),
      knowledge({ events: known(redrive), attempts: new Map([['store:1:0:4', 1]]) }),
    );
    expect(written.settled).toEqual([{ inboxId: 'store:1:0:4', resolution: { kind: 'duplicate', eventId: idA } }]);
  });

  it('settles a row whose redrive conflicts, as failed again', () => {
    const redrive = candidate(5, { redriveOf: 'store:1:0:4', payloadJson: '{"total":11}' });
    const written = decideBatch(
      request([redrive]),
      knowledge({ events: known(candidate(1), true), attempts: new Map([['store:1:0:4', 1]]) }),
    );
    expect(written.failed).toMatchObject([{ id: 'store:1:3:5', code: 'conflict', attempt: 2 }]);
    expect(written.settled).toEqual([
      { inboxId: 'store:1:0:4', resolution: { kind: 'failed_again', inboxId: 'store:1:3:5' } },
    ]);
  });

  it('counts everything in the step in which it was received, however late it comes', () => {
    const late = { ...request([candidate(0), candidate(1)], [rejectedRecord(2)]), storedAt: storedAt + 3_600_000 };
    const { rollups } = decideBatch(late, knowledge());
    const at = Date.UTC(2026, 0, 1, 12, 0, 0);
    expect(rollups.counts.map((row) => row.at)).toEqual([at, at]);
    expect(rollups.latencies.map((row) => row.at)).toEqual([at]);
  });

  it('passes on what was lost and skipped before the batch', () => {
    const { outcomes } = decideBatch({ ...request([candidate(9)]), skipped: 4, lost: 2 }, knowledge());
    expect(outcomes).toEqual({ stored: 1, duplicate: 0, failed: 0, lost: 2, skipped: 4 });
  });

  it('ignores a redrive_of that names no inbox row: any producer may write one', () => {
    const forged = candidate(5, { redriveOf: 'store:1:0:999' });
    expect(decideBatch(request([forged]), knowledge()).settled).toEqual([]);
  });

  it('clamps a negative latency to 0 and counts the skew', () => {
    const written = decideBatch(request([candidate(1, { receivedAt: storedAt + 500 })]), knowledge());
    expect(written.rollups.latencies[0]).toMatchObject({ clockSkewed: 1, histogram: [[-1, 1]] });
  });

  it('gives every record exactly one outcome', () => {
    const first = candidate(0);
    const batch = request(
      [first, candidate(1), candidate(2, { payloadJson: '{}' }), candidate(3, { id: idB })],
      [rejectedRecord(4)],
    );
    const { outcomes } = decideBatch(batch, knowledge());
    expect(outcomes).toEqual({ stored: 2, duplicate: 1, failed: 2, lost: 0, skipped: 0 });
  });
});
