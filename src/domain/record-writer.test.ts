import { describe, expect, test } from 'vitest';
import { decodeRecord, encodeRecord, recordId } from './record-codec.ts';
import { createRecordRoom, type EventToWrite, writeRecord } from './record-writer.ts';

const id = '0190a6f0-1111-7aaa-8bbb-0123456789ab';
const plain = {
  ...{ id, eventType: 'a', clientId: null, source: null, key: null, occurredAt: null },
  ...{ receivedAt: 1_700_000_000_123, redriveOf: null, payloadJson: null },
};

/** As ingest has it: the payload stands somewhere in the bytes. */
function sent(payload: string, event: Partial<EventToWrite> = {}) {
  const text = `{"event_type":"a","payload":${payload}}\n${' '.repeat(50)}`;
  const body = Buffer.from(text);
  const payloadStart = body.indexOf(payload);
  const payloadEnd = payloadStart + Buffer.byteLength(payload);
  return { event: { ...plain, payloadStart, payloadEnd, ...event }, body, payload };
}

const events = [
  sent('{}'),
  sent('{"a":9007199254740993, "long":0.12345678901234567890}'),
  sent('{"größe":"😀","x":"\u007f"}'),
  sent('{"a":1}', {
    source: 'größe "x"',
    key: 'k\\\n',
    clientId: '😀'.repeat(256),
    occurredAt: '2026-01-31T12:00:00Z',
  }),
  sent('{"ä":1}', { eventType: 'é'.repeat(200), key: 'k' }),
  sent('{"a":-0}', { payloadJson: '{"a":0}' }),
  sent('{"ä":-0}', { payloadJson: '{"ä":0}' }),
  sent(`{"a":"${'x'.repeat(300_000)}"}`),
  sent(`{"a":"${'€'.repeat(80_000)}"}`),
];

describe('a record that is written into a room', () => {
  test.each([false, true])('has the bytes that encodeRecord makes of the event (for many: %s)', (isForMany) => {
    const room = createRecordRoom(isForMany);
    const written = [...events, ...events].map(({ event, body }) => writeRecord(event, body, room));
    const expected = [...events, ...events].map(({ event, payload }) =>
      encodeRecord({ ...event, id, payloadJson: event.payloadJson ?? payload }),
    );
    for (const [index, value] of written.entries()) {
      expect(value.equals(expected[index]!), `event ${index % events.length}`).toBe(true);
      expect(recordId(value)).toBe(id);
    }
  });

  test('has a new id where none is given', () => {
    const room = createRecordRoom(true);
    const values = Array.from({ length: 1_000 }, () => {
      const { event, body } = sent('{"n":1}', { id: null });
      return writeRecord(event, body, room);
    });
    const ids = values.map((value) => {
      const decoded = decodeRecord(value, 0);
      if (!decoded.ok) throw new Error(decoded.rejection.message);
      expect(decoded.event.id).toBe(recordId(value));
      return decoded.event.id;
    });
    expect(new Set(ids).size).toBe(1_000);
    expect(
      ids.filter((one) => !/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(one)),
    ).toEqual([]);
  });

  test.each([
    ['{"n":1}', false],
    ['{"n":1}', true],
    [`{"ä":"${'x'.repeat(40_000)}"}`, false],
    [`{"ä":"${'x'.repeat(40_000)}"}`, true],
  ])('holds little more memory than it has bytes, whatever is sent behind it (%#)', (payload, isForMany) => {
    const values = Array.from({ length: 50 }, () => {
      const { event, body } = sent(payload);
      return writeRecord(event, Buffer.concat([body, Buffer.alloc(40_000, ' ')]), createRecordRoom(isForMany));
    });
    const held = [...new Set(values.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const bytes = values.reduce((sum, { length }) => sum + length, 0);
    // 4 KiB for each request, in the pieces that Node cuts small ones from.
    expect(held).toBeLessThan(bytes + 50 * 4_096 + 3 * Buffer.poolSize);
  });
});
