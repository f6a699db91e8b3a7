import { expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { makeInboxEntry } from '../testing/http-dependencies.ts';
import { toFailedRecord } from './failed-record.ts';

it('is the record as it was, with why it failed and where it stood', () => {
  const entry = makeInboxEntry({ key: 'customer-7', attempt: 2 });
  expect(toFailedRecord(entry, 'events')).toEqual({
    key: 'customer-7',
    value: entry.value,
    headers: {
      'inbox-id': 'store:1:3:9',
      'reason-code': 'conflict',
      'reason-message': 'another event has this id',
      attempt: '2',
      'origin-topic': 'events',
      'origin-partition': '3',
      'origin-offset': '9',
      'failed-at': '2023-11-14T22:13:21.010Z',
      'event-id': entry.eventId,
      'event-type': 'order.created',
    },
  });
});

it('leaves out what could not be read, and keeps its reason short', () => {
  const unreadable = { eventId: null, eventType: null, key: null, message: 'x'.repeat(5_000) };
  const { key, headers } = toFailedRecord(makeInboxEntry(unreadable), 'events');
  expect(key).toBeNull();
  expect(Object.keys(headers)).not.toContain('event-id');
  expect(Object.keys(headers)).not.toContain('event-type');
  expect(headers['reason-message']).toHaveLength(limits.failedMessageCharactersMax);
});

it('has the event’s id for a key where it had no key of its own', () => {
  expect(toFailedRecord(makeInboxEntry(), 'events').key).toBe(makeInboxEntry().eventId);
});
