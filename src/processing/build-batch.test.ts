import { describe, expect, it } from 'vitest';
import { hashContent } from '../domain/content.ts';
import { limits } from '../domain/limits.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { LogRecord } from '../event-log/log-record.ts';
import { envelopeOf } from '../testing/envelope-of.ts';
import { eventOf, startAt } from '../testing/event-store.batches.ts';
import { recordsOf } from '../testing/records-of.ts';
import { type BatchFrame, buildBatch, decodeRecords, hashRecord } from './build-batch.ts';

const frame: BatchFrame = {
  progress: { consumer: 'store', logNo: 2, partition: 3, ownerEpoch: 4, nextOffset: 5, commitToken: 'before' },
  token: 'after',
  nextOffset: 9,
  skipped: 1,
  lost: 0,
  storedAt: startAt + 1,
};

const record = (offset: number, value: Uint8Array) => new LogRecord(3, offset, startAt, value);

describe('a batch', () => {
  it('has the guard of its progress, and what the frame says', async () => {
    expect(buildBatch(frame, await decodeRecords([]))).toEqual({
      ...{ consumer: 'store', logNo: 2, partition: 3, ownerEpoch: 4, expectedOffset: 5, previousToken: 'before' },
      ...{ token: 'after', nextOffset: 9, skipped: 1, lost: 0, storedAt: startAt + 1 },
      ...{ last: null, candidates: [], rejected: [] },
    });
  });

  it('judges each record by itself, and keeps its bytes', async () => {
    const event = eventOf();
    const [good, bad] = [encodeRecord(event), Buffer.from('{oops')];
    const { candidates, rejected, last } = await decodeRecords([record(6, good), record(7, bad)]);
    expect(candidates).toMatchObject([{ offset: 6, contentHash: hashContent(event), value: good }]);
    expect(candidates.map((candidate) => envelopeOf(candidate.event))).toEqual([event]);
    expect(rejected).toMatchObject([
      { offset: 7, code: 'invalid_json', eventId: null, receivedAt: startAt, value: bad },
    ]);
    expect(last).toEqual({ offset: 7, hash: hashRecord(bad) });
  });

  it('does not make names for the metrics of types that can not be', async () => {
    const broken = (eventType: string) => Buffer.from(JSON.stringify({ event_type: eventType, payload: [] }));
    const values = ['order', 'x'.repeat(limits.eventTypeCharactersMax + 1), 'bell\u0007', ''].map(broken);
    const { rejected } = await decodeRecords(values.map((value, index) => record(5 + index, value)));
    expect(rejected.map(({ eventType }) => eventType)).toEqual(['order', null, null, null]);
  });

  it('of many records is theirs, in order, and leaves others a turn meanwhile', async () => {
    const values = Array.from({ length: 1_201 }, (_, nth): [number, Buffer] => {
      const isBroken = nth % 7 === 3;
      return [nth, isBroken ? Buffer.from(`{${nth}`) : encodeRecord(eventOf({ payloadJson: `{"nth":${nth}}` }))];
    });
    const records = recordsOf(3, values);
    let isOver = false;
    let turns = 0;
    const countTurn = () => {
      turns += 1;
      if (!isOver) setImmediate(countTurn);
    };
    setImmediate(countTurn);
    const { candidates, rejected } = await decodeRecords(records);
    isOver = true;
    const all = [...candidates, ...rejected].sort((a, b) => a.offset - b.offset);
    expect(all.map(({ offset, value }) => [offset, value])).toEqual(values);
    expect(rejected.map(({ offset }) => offset % 7)).toEqual(rejected.map(() => 3));
    for (const { event, offset, contentHash } of candidates) {
      expect([event.payloadJson, contentHash]).toEqual([`{"nth":${offset}}`, hashContent(event)]);
    }
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});
