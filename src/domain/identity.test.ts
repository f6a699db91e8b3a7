import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  conflictEventId,
  deriveEventId,
  idempotentEventId,
  isUuid,
  newEventId,
  redriveEventId,
  resolveEventId,
  uuidOf,
} from './identity.ts';
import { murmur2 } from './partitioner.ts';

// Computed apart from this code. They may never change: docs/decisions/0002-event-identity.md.
const derived: [source: string | null, id: string, eventId: string][] = [
  [null, 'order-1', '2608e34a-c27b-80b4-ad33-81217072ab17'],
  ['shop', 'order-1', '09908b11-96d2-871e-846d-9730879f4021'],
  ['shop', '0190a6f0-1111-7aaa-8bbb-0123456789ab', 'cf5dc1fe-e33d-845d-a8c6-d8839f3ed0f4'],
  [null, '0190a6f0-1111-8aaa-8bbb-0123456789ab', 'dc342960-c598-8beb-a1db-67a16f496d6d'],
  ['größe', 'naïve ☃ 😀', 'e9f66fd5-849a-8df8-9140-2d8a3f62c110'],
  ['x'.repeat(127), 'a', '8d6afd9a-d196-873c-bfd9-ee6895fc8374'],
  ['x'.repeat(128), 'a', '2182dbf8-b38d-8d1d-9e35-794e46e97f44'],
  ['é'.repeat(200), 'a', '6ab6c43b-2e3e-83f9-ad7a-c6c8632d8f65'],
  ['a', 'bc', '26227a15-4c02-8afb-add4-08ab93bc3a74'],
  ['ab', 'c', '754c8b4b-306c-8be1-9687-081e525fe1c3'],
];

describe('a derived id', () => {
  test.each(derived)('of source %s and id %s', (source, id, eventId) => {
    expect(deriveEventId(source, id)).toBe(eventId);
    expect(resolveEventId({ id, source })).toEqual({ id: eventId, clientId: id });
  });

  test('of a conflict comes from its id and its content', () => {
    const hash = '07'.repeat(16);
    expect(conflictEventId('2608e34a-c27b-80b4-ad33-81217072ab17', hash)).toBe('ff010ae9-e18e-839f-a67c-77316388ff3d');
  });

  test('of a redriven record comes from its inbox id', () => {
    expect(redriveEventId('store:1:3:42')).toBe('3501b704-b4dd-8698-9457-9cd28d035527');
    // No client can send what takes that id first.
    expect(redriveEventId('store:1:3:42')).not.toBe(deriveEventId('redrive', 'store:1:3:42'));
  });
});

describe('a client id that is a UUID', () => {
  test('is the id itself, in lower case', () => {
    const id = '0190A6F0-1111-7AAA-8BBB-0123456789AB';
    expect(resolveEventId({ id, source: null })).toEqual({ id: id.toLowerCase(), clientId: null });
  });

  test.each(['0190a6f0-1111-4aaa-8bbb-0123456789ab', '00000000-0000-0000-0000-000000000000'])('%s too', (id) => {
    expect(resolveEventId({ id, source: null })).toEqual({ id, clientId: null });
  });

  test('of version 8 is derived, so that nobody can take the id of a derived event', () => {
    const id = deriveEventId('shop', 'order-1');
    expect(resolveEventId({ id, source: null })).toEqual({ id: deriveEventId(null, id), clientId: id });
  });

  test('with a source is derived: two sources may count alike', () => {
    const id = '0190a6f0-1111-7aaa-8bbb-0123456789ab';
    expect(resolveEventId({ id, source: 'a' }).id).not.toBe(resolveEventId({ id, source: 'b' }).id);
  });
});

test('isUuid takes the 8-4-4-4-12 form and nothing else', () => {
  expect(isUuid('0190a6f0-1111-7aaa-8bbb-0123456789AB')).toBe(true);
  expect(uuidOf('0190a6f0-1111-7aaa-8bbb-0123456789AB')).toBe('0190a6f0-1111-7aaa-8bbb-0123456789ab');
  for (const text of [
    '',
    '0190a6f011117aaa8bbb0123456789ab',
    '{0190a6f0-1111-7aaa-8bbb-0123456789ab}',
    '0190a6f0-1111-7aaa-8bbb-0123456789ag',
    '0190a6f0-1111-7aaa-8bbb-0123456789ab\n',
    '0190a6f0-1111-7aaa-8bbb_0123456789ab',
  ]) {
    expect(isUuid(text), text).toBe(false);
    expect(uuidOf(text), text).toBeNull();
  }
});

describe('a new id', () => {
  test('is a UUIDv7 with the time in front', () => {
    const now = Date.now() + 1_000;
    const id = newEventId(now);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(now);
  });

  test('sorts after those made before it, in one millisecond, over its end, and when the clock goes back', () => {
    const now = Date.now() + 10_000;
    const ids = Array.from({ length: 10_000 }, (_, index) => newEventId(index === 5_000 ? now - 500 : now));
    expect(ids.toSorted()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => id[14] !== '7')).toEqual([]);
  });
});

test('a new id is random in all of its last 62 bits', () => {
  const tails = Array.from({ length: 5_000 }, () => newEventId(Date.now()).slice(19).replace('-', ''));
  for (let place = 0; place < 16; place++) {
    const digits = new Set(tails.map((tail) => tail[place]));
    expect(digits.size, `digit ${place}`).toBe(place === 0 ? 4 : 16);
  }
  expect(new Set(tails).size).toBe(tails.length);
});

describe('an id made for a request with an Idempotency-Key', () => {
  const bytesHash = createHash('sha256').update('{"event_type":"a","payload":{}}').digest('hex');

  test('is in the form of a UUIDv5, by these bytes', () => {
    expect(idempotentEventId('anonymous', 'batch-7', bytesHash, 0)).toBe('c9b17b69-135e-5526-af59-c4ba5536aef5');
    expect(idempotentEventId('anonymous', 'batch-7', bytesHash, 1)).toBe('63ab71c2-c02b-5f4a-99d0-eb17c5814b4d');
  });

  test('differs by owner, key and occurrence, however they are cut', () => {
    const ids = [
      idempotentEventId('ab', 'c', bytesHash, 0),
      idempotentEventId('a', 'bc', bytesHash, 0),
      idempotentEventId('ab', 'c', bytesHash, 1),
    ];
    expect(new Set(ids).size).toBe(3);
  });
});

describe('an id that the server made for an event with a source', () => {
  const made = [
    newEventId(Date.now(), 'shop'),
    idempotentEventId('anonymous', 'batch-7', 'ab', 0, 'shop'),
    newEventId(Date.now(), 'größe'),
  ];

  test.each([
    [made[0]!, 'shop'],
    [made[1]!, 'shop'],
    [made[2]!, 'größe'],
  ])('%s means the same event when it is sent back with that source', (id, source) => {
    expect(resolveEventId({ id, source })).toEqual({ id, clientId: null });
    expect(resolveEventId({ id: id.toUpperCase(), source })).toEqual({ id, clientId: null });
  });

  test('bears a mark that is its own, and that no other version may bear', () => {
    const [one, other] = [newEventId(Date.now(), 'shop'), newEventId(Date.now(), 'shop')];
    expect(one.slice(-6)).not.toBe(other.slice(-6));
    const borrowed = `${one.slice(0, 30)}${other.slice(-6)}`;
    expect(resolveEventId({ id: borrowed, source: 'shop' }).clientId).toBe(borrowed);
    const random = `${one.slice(0, 14)}4${one.slice(15, 30)}`;
    const marked = `${random}${(murmur2(Buffer.from(`esp1 issued\0${random}shop`)) & 0xffffff).toString(16).padStart(6, '0')}`;
    expect(resolveEventId({ id: marked, source: 'shop' }).clientId).toBe(marked);
  });

  test('means another one with another source', () => {
    const id = made[0]!;
    expect(resolveEventId({ id, source: 'other' })).toEqual({ id: deriveEventId('other', id), clientId: id });
  });
});
