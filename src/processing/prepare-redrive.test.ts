import { describe, expect, it } from 'vitest';
import { redriveEventId } from '../domain/identity.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import { eventOf } from '../testing/event-store.batches.ts';
import { entryOf, failedEventId as eventId, failedReceivedAt as receivedAt } from '../testing/failed-entries.ts';
import { prepareRedrive } from './prepare-redrive.ts';

const now = receivedAt + 3_600_000;

describe('the event that is redriven', () => {
  it('keeps its id, and says which row it is to settle and when it was received anew', () => {
    const entry = entryOf(3, { code: 'rejected_by_store' });
    expect(prepareRedrive(entry, now)).toMatchObject({ id: eventId, redriveOf: 'store:1:1:3', receivedAt: now });
  });

  it('gets an id of its own where the id is what it failed for: one for each content', () => {
    const [first, again, other] = [3, 4, 5].map((offset) => {
      const value = encodeRecord(
        eventOf({ id: eventId, payloadJson: `{"n":${offset === 5 ? 2 : 1}}`, receivedAt: offset }),
      );
      return prepareRedrive(entryOf(offset, { value }), now)!.id;
    });
    expect(first).not.toBe(eventId);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    // With another payload it is the operator's, and of this row.
    expect(prepareRedrive(entryOf(3), now, '{"n":1}')?.id).toBe(redriveEventId('store:1:1:3'));
  });

  it('gets one of its own where it has none', () => {
    const derived = redriveEventId('store:1:1:3');
    const record = Buffer.from('{"event_type":"a","payload":{}}');
    const nameless = entryOf(3, { code: 'missing_id', eventId: null, value: record });
    expect(prepareRedrive(nameless, now)?.id).toBe(derived);
  });

  it('keeps everything else as it was sent', () => {
    const sent = eventOf({ id: eventId, source: 'shop', key: 'k', occurredAt: '2026-01-01T00:00:00Z', receivedAt });
    const prepared = prepareRedrive(entryOf(3, { code: 'rejected_by_store', value: encodeRecord(sent) }), now);
    expect(prepared).toEqual({ ...sent, receivedAt: now, redriveOf: 'store:1:1:3' });
  });

  it('has the payload that the operator gives', () => {
    const entry = entryOf(3, { code: 'rejected_by_store' });
    expect(prepareRedrive(entry, now, '{"fixed":1}')).toMatchObject({ id: eventId, payloadJson: '{"fixed":1}' });
  });

  it('can be made with a new payload of a record that has at least a type', () => {
    const text = '{"event_type":"a","payload":[],"source":"shop","client_id":"7","occurred_at":"2026-01-01T00:00:00Z"}';
    const broken = { code: 'invalid_event', value: Buffer.from(text) } as const;
    const entry = entryOf(3, { ...broken, eventId: null, eventType: 'a', key: 'k' });
    expect(prepareRedrive(entry, now)).toBeNull();
    expect(prepareRedrive(entry, now, '{"fixed":1}')).toEqual({
      id: redriveEventId('store:1:1:3'),
      eventType: 'a',
      clientId: '7',
      source: 'shop',
      key: 'k',
      occurredAt: '2026-01-01T00:00:00Z',
      receivedAt: now,
      redriveOf: 'store:1:1:3',
      payloadJson: '{"fixed":1}',
    });
    expect(prepareRedrive({ ...entry, eventType: null }, now, '{"fixed":1}')).toBeNull();
  });
});
