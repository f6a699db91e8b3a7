import { describe, expect, test } from 'vitest';
import { envelopeOf } from '../testing/envelope-of.ts';
import type { EventEnvelope } from './event.ts';
import { deriveEventId } from './identity.ts';
import { limits } from './limits.ts';
import { decodeRecord, encodeRecord, eventAt } from './record-codec.ts';

const id = '0190a6f0-1111-7aaa-8bbb-0123456789ab';
const logTime = 1_700_000_000_000;

/** Every record is read both by itself and where it stands among others, which may not change what is made of it. */
function decode(record: string | Uint8Array) {
  const value = Buffer.from(record);
  const decoded = decodeRecord(value, logTime);
  const isNothingButAnEvent = decoded.ok && decoded.event.record === value;
  for (const [before, behind] of surroundings) {
    const event = eventAt(Buffer.concat([before, value, behind]), before.length, before.length + value.length, logTime);
    expect(event && envelopeOf(event)).toEqual(isNothingButAnEvent ? envelopeOf(decoded.event) : null);
  }
  return decoded;
}

const surroundings = [
  ['', ''],
  [' ', '}'],
  ['{"id":"', '"}}'],
  ['\\', '0}'],
  ['[1', ' ,"payload":{}}'],
].map((texts) => texts.map((text) => Buffer.from(text)) as [Buffer, Buffer]);

const decoded = (record: string): EventEnvelope => {
  const result = decode(record);
  if (!result.ok) throw new Error(result.rejection.message);
  return envelopeOf(result.event);
};

const rejected = (record: string | Uint8Array) => {
  const result = decode(record);
  if (result.ok) throw new Error('was taken');
  return result;
};

const event: EventEnvelope = {
  id,
  eventType: 'order.created',
  clientId: null,
  source: null,
  key: null,
  occurredAt: null,
  receivedAt: 1_700_000_000_123,
  redriveOf: null,
  payloadJson: '{"total":9007199254740993.10}',
};
const full: EventEnvelope = {
  ...event,
  id: deriveEventId('größe', 'a"b\\c'),
  eventType: 'tür 😀',
  clientId: 'a"b\\c',
  source: 'größe',
  key: 'line\nbreak\u007f',
  occurredAt: '2026-01-31T12:00:00.123456789+05:30',
  redriveOf: 'store:1:3:42',
  payloadJson: '{ "__proto__": {"a": [1, -1.50, 1e3]}, "\\u0061": "\\ud83d\\ude00", "constructor": null }',
};

describe('a record', () => {
  test('is one JSON object, the payload last and absent fields left out', () => {
    expect(encodeRecord(event).toString()).toBe(
      `{"id":"${id}","event_type":"order.created","received_at":"2023-11-14T22:13:20.123Z","payload":{"total":9007199254740993.10}}`,
    );
  });

  test.each([
    ['the smallest', event],
    ['one with everything', full],
  ])('comes back as it was written: %s', (_name, written) => {
    expect(decoded(encodeRecord(written).toString())).toEqual(written);
    expect(JSON.parse(encodeRecord(written).toString())).toMatchObject({
      id: written.id,
      event_type: written.eventType,
    });
  });

  test('is read from a view into a larger buffer', () => {
    const bytes = new Uint8Array(Buffer.concat([Buffer.from('{{'), encodeRecord(full), Buffer.from('}}')])).subarray(
      2,
      -2,
    );
    const result = decodeRecord(bytes, logTime);
    expect(result.ok && envelopeOf(result.event)).toEqual(full);
  });
});

describe('a record of another producer', () => {
  const minimal = (fields: string) => `{${fields}"event_type":"a","payload":{}}`;

  test('may have its fields in any order, with escapes and white space', () => {
    const text = ` { "payload" : {"a":1} , "\\u0069d":"${id}","event_type":"\\u0061" }\n`;
    expect(decoded(text)).toMatchObject({ id, eventType: 'a', payloadJson: '{"a":1}' });
  });

  test('keeps any UUID as its id, in lower case, whatever its source', () => {
    const uuid = deriveEventId('s', 'x').toUpperCase();
    expect(decoded(minimal(`"id":"${uuid}","source":"t",`))).toMatchObject({ id: uuid.toLowerCase(), clientId: null });
  });

  test('has the id of another form derived with its source', () => {
    expect(decoded(minimal('"id":"order-1","source":"shop",'))).toMatchObject({
      id: deriveEventId('shop', 'order-1'),
      clientId: 'order-1',
    });
  });

  test('of a duplicate field the last one counts', () => {
    expect(
      decoded(`{"id":"x","event_type":"b","id":"${id}","event_type":"a","payload":[],"payload":{}}`),
    ).toMatchObject({
      id,
      eventType: 'a',
      payloadJson: '{}',
    });
  });

  test('-0 is 0 in its payload', () => {
    expect(decoded(`{"id":"${id}","event_type":"a","payload":{"a":[-0,-0.0,-1]}}`).payloadJson).toBe(
      '{"a":[0,0.0,-1]}',
    );
  });

  test.each([
    '',
    '"received_at":"yesterday",',
    '"received_at":5,',
    '"received_at":"2026-02-30T00:00:00Z",',
    '"received_at":"2999-01-01T00:00:00Z",',
  ])('without a received_at that can be read has the time of the log: %s', (field) => {
    expect(decoded(minimal(`"id":"${id}",${field}`)).receivedAt).toBe(logTime);
  });

  test('has lengths counted in characters, not in units of UTF-16', () => {
    const type = '😀'.repeat(limits.eventTypeCharactersMax);
    expect(decoded(`{"id":"${id}","event_type":"${type}","payload":{}}`).eventType).toBe(type);
    expect(rejected(`{"id":"${id}","event_type":"${type}x","payload":{}}`).rejection.code).toBe('invalid_event');
  });
});

describe('a record that is no event is rejected', () => {
  const withPayload = (payload: string) => `{"id":"${id}","event_type":"a","payload":${payload}}`;

  test.each([
    ['invalid_json', ''],
    ['invalid_json', 'hello'],
    ['invalid_json', `\ufeff${withPayload('{}')}`],
    ['invalid_json', `${withPayload('{}')} {}`],
    ['invalid_json', withPayload('{"a":01}')],
    ['invalid_json', '['.repeat(100_000)],
    ['nested_too_deep', withPayload(`${'{"a":'.repeat(64)}1${'}'.repeat(64)}`.replace('1', '{}'))],
    ['nested_too_deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['unsupported_value', withPayload('{"a":[1,1e309]}')],
    ['unsupported_value', withPayload('{"a":"\\u0000"}')],
    ['unsupported_value', withPayload('{"\\ud800":1}')],
    ['unsupported_value', '{"id":"\\ud800","event_type":"a","payload":{}}'],
    ['invalid_event', '[]'],
    ['invalid_event', '"text"'],
    ['invalid_event', '{}'],
    ['invalid_event', `{"id":"${id}","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a"}`],
    ['invalid_event', withPayload('[]')],
    ['invalid_event', withPayload('null')],
    ['invalid_event', `{"id":5,"event_type":"a","payload":{}}`],
    ['invalid_event', `{"id":"","event_type":"a","payload":{}}`],
    ['invalid_event', `{"id":"${'x'.repeat(257)}","event_type":"a","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a\\nb","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a\u0085","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","source":null,"payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","key":"","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","occurred_at":"2026-02-30T00:00:00Z","payload":{}}`],
    [
      'invalid_event',
      `{"id":"${id}","event_type":"a","occurred_at":"2026-02-03T00:00:00.${'1'.repeat(44)}Z","payload":{}}`,
    ],
    ['invalid_event', `{"id":"${id}","event_type":"a","occurred_at":5,"payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","client_id":5,"payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","redrive_of":"","payload":{}}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","payload":{},"extra":1}`],
    ['invalid_event', `{"id":"${id}","event_type":"a","payload":{},"__proto__":1}`],
    ['missing_id', '{"event_type":"a","payload":{}}'],
    ['event_too_large', withPayload(`{"a":"${'x'.repeat(limits.eventBytesMax + limits.envelopeBytesMax)}"}`)],
  ])('as %s: %s', (code, record) => {
    expect(rejected(record).rejection.code).toBe(code);
  });

  test('as event_too_large, from the first byte too many', () => {
    const room = limits.eventBytesMax + limits.envelopeBytesMax - withPayload('{"a":""}').length;
    expect(decoded(withPayload(`{"a":"${'x'.repeat(room)}"}`)).id).toBe(id);
    expect(rejected(withPayload(`{"a":"${'x'.repeat(room + 1)}"}`)).rejection.code).toBe('event_too_large');
  });

  test('as invalid_utf8, with the byte', () => {
    const record = Buffer.from(withPayload('{"a":"?"}'));
    record[record.indexOf('?')] = 0xff;
    expect(rejected(record)).toMatchObject({
      rejection: { code: 'invalid_utf8', message: `not UTF-8 at byte ${record.indexOf(0xff)}` },
      partial: { eventId: id, eventType: 'a' },
    });
  });

  test('with the place in words', () => {
    expect(rejected(withPayload('{"items":[{"price":1e400}]}')).rejection.message).toContain(
      '/payload/items/0/price: ',
    );
    expect(rejected(`{"id":"${id}",\n"event_type":}`).rejection.message).toContain('line 2, column 14');
    expect(rejected(`{"extra":1,"event_type":"a","payload":{}}`).rejection.message).toBe('unknown field "extra"');
    expect(rejected('[]').rejection.message).toBe('a record must be a JSON object');
  });
});

describe('what can be read of a rejected record is told', () => {
  const nothing = {
    eventId: null,
    eventType: null,
    clientId: null,
    source: null,
    key: null,
    occurredAt: null,
    redriveOf: null,
    receivedAt: logTime,
  };

  test('as far as it goes', () => {
    const text = encodeRecord(full).toString();
    expect(rejected(text.slice(0, -5)).partial).toEqual({
      eventId: full.id,
      eventType: full.eventType,
      clientId: full.clientId,
      source: full.source,
      key: full.key,
      occurredAt: full.occurredAt,
      redriveOf: full.redriveOf,
      receivedAt: full.receivedAt,
    });
    expect(rejected(text.slice(0, text.indexOf('"client_id"'))).partial).toEqual({
      ...nothing,
      eventId: full.id,
      eventType: full.eventType,
    });
    expect(rejected('hello').partial).toEqual(nothing);
    expect(rejected('[{"id":"a"}]').partial).toEqual(nothing);
  });

  test('derived, where the id is of another form', () => {
    const { eventId, clientId } = rejected('{"id":"order-1","source":"shop","event_type":"a","payload":1}').partial;
    expect([eventId, clientId]).toEqual([deriveEventId('shop', 'order-1'), 'order-1']);
  });

  test.each([
    '{"id":"a\\u0000","event_type":"a\\u0000","key":"\\u0000"}',
    '{"id":"\\ud800","event_type":"\\udc00","key":"\\ud800x"}',
    '{"id":5,"event_type":{},"key":[]}',
    '{"source":"\\u0000","client_id":"\\ud800","occurred_at":"yesterday"}',
    '{"id":"","event_type":"","key":""}',
    `{"id":"${'x'.repeat(257)}","event_type":"${'x'.repeat(201)}","key":"${'x'.repeat(257)}"}`,
  ])('but nothing that a text column could not hold: %s', (record) => {
    expect(rejected(record).partial).toEqual(nothing);
  });
});
