import { describe, expect, it } from 'vitest';
import {
  batchHeaderBytes,
  decodeBatch,
  decodeGroupHeader,
  decodeSegmentHeader,
  decodeStarts,
  encodeGroup,
  encodeSegmentHeader,
  encodeStarts,
  groupHeaderBytes,
  type SegmentHeader,
  segmentHeaderBytes,
  segmentHeaderBytesOf,
  visitBatches,
} from './event-log.segment.format.ts';
import type { RecordToAppend } from './event-log.ts';

const salt = Buffer.from('0123456789abcdef', 'hex');
const timestamp = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
const room = (bytes: number) => Buffer.alloc(bytes, 0xee);
const record = (partition: number, text: string): RecordToAppend => ({ partition, value: Buffer.from(text) });

function encode(records: readonly RecordToAppend[], ends: readonly number[] = [0, 0, 0], batchBytesMax = 1_000_000) {
  return encodeGroup(records, { salt, sequence: 7 }, ends, timestamp, batchBytesMax, room);
}

function batchesOf(bytes: Buffer) {
  const places: Buffer[] = [];
  const header = decodeGroupHeader(bytes, 0, salt)!;
  expect(visitBatches(bytes, header, (batch, at) => places.push(bytes.subarray(at, at + batch.bytes)))).toBe(true);
  return places.map((place) => decodeBatch(place));
}

describe('a group', () => {
  const records = [record(2, 'a'), record(0, 'b'), record(2, ''), record(2, 'ünïcode')];

  it('gives every record its place, and back as it was', () => {
    const group = encode(records, [5, 6, 2 ** 40]);
    expect(group.positions).toEqual([
      { partition: 2, offset: 2 ** 40 },
      { partition: 0, offset: 5 },
      { partition: 2, offset: 2 ** 40 + 1 },
      { partition: 2, offset: 2 ** 40 + 2 },
    ]);
    expect(group.ends).toEqual([6, 6, 2 ** 40 + 3]);
    expect(decodeGroupHeader(group.bytes, 0, salt)).toEqual({ bytes: group.bytes.length, sequence: 7, batches: 2 });
    const [first, second] = batchesOf(group.bytes);
    expect(first).toMatchObject({ partition: 2, base: 2 ** 40, count: 3, timestamp });
    expect(first!.values.map(String)).toEqual(['a', '', 'ünïcode']);
    expect(second).toMatchObject({ partition: 0, base: 5, count: 1 });
    expect(second!.values.map(String)).toEqual(['b']);
  });

  it('takes 32 bytes, 32 for each partition in it, and 4 for each record', () => {
    expect(encode(records).bytes.length).toBe(groupHeaderBytes + 2 * batchHeaderBytes + 4 * 4 + 'ab'.length + 9);
  });

  it('keeps its bytes: logs of earlier versions must stay readable', () => {
    const group = encodeGroup(
      [record(1, 'ab'), record(1, 'c')],
      { salt, sequence: 7 },
      [0, 0],
      1_700_000_000_000,
      1_000,
      room,
    );
    expect(group.bytes.toString('hex')).toBe(
      '45535047ec6609910000004b00000001401c0000000000000123456789abcdef' +
        '32e654960000002b000000010000000200000000000000004278bcfe56800000' +
        '0000000200000001616263',
    );
  });

  it('splits a partition past the size that is read at a time; a larger record stands alone', () => {
    const group = encode([record(0, 'x'.repeat(30)), record(0, 'y'.repeat(200)), record(0, 'z')], [0, 0, 0], 100);
    expect(batchesOf(group.bytes).map((batch) => [batch!.base, batch!.count])).toEqual([
      [0, 1],
      [1, 1],
      [2, 1],
    ]);
    const even = encode(
      Array.from({ length: 9 }, () => record(0, 'x'.repeat(16))),
      [0, 0, 0],
      100,
    );
    expect(batchesOf(even.bytes).map((batch) => batch!.count)).toEqual([3, 3, 3]);
  });

  it('is not taken for one where a byte of its header differs, or it is another segment’s', () => {
    const { bytes } = encode(records);
    for (let at = 0; at < groupHeaderBytes; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(decodeGroupHeader(damaged, 0, salt), `byte ${at}`).toBeNull();
    }
    expect(decodeGroupHeader(bytes, 0, Buffer.alloc(8))).toBeNull();
    expect(decodeGroupHeader(bytes.subarray(0, groupHeaderBytes - 1), 0, salt)).toBeNull();
  });

  it('shows every changed byte of its batches', () => {
    const { bytes } = encode([record(0, 'sound'), record(0, '')]);
    for (let at = groupHeaderBytes; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(decodeBatch(damaged.subarray(groupHeaderBytes)), `byte ${at}`).toBeNull();
    }
    expect(decodeBatch(bytes.subarray(groupHeaderBytes, -1))).toBeNull();
    expect(decodeBatch(bytes.subarray(groupHeaderBytes))).not.toBeNull();
  });

  it('has batches whose lengths add up, or says that it has not', () => {
    const { bytes } = encode(records);
    const header = decodeGroupHeader(bytes, 0, salt)!;
    for (const length of [0, 31, 10_000, 2 ** 32 - 1]) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt32BE(length, groupHeaderBytes + 4);
      expect(
        visitBatches(damaged, header, () => undefined),
        String(length),
      ).toBe(false);
    }
    expect(visitBatches(bytes.subarray(0, -1), header, () => undefined)).toBe(false);
  });
});

it('a group of starts gives them back, and shows a changed byte', () => {
  const bytes = encodeStarts([0, 7, 2 ** 50], { salt, sequence: 3 });
  expect(decodeGroupHeader(bytes, 0, salt)).toEqual({ bytes: bytes.length, sequence: 3, batches: 0 });
  expect(decodeStarts(bytes)).toEqual([0, 7, 2 ** 50]);
  for (let at = groupHeaderBytes; at < bytes.length; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at]! ^= 0x10;
    expect(decodeStarts(damaged), `byte ${at}`).toBeNull();
  }
});

describe('a segment’s header', () => {
  const header: SegmentHeader = {
    logId: '0190a3f0-0000-7000-8000-00000000000a',
    number: 12,
    previousBytes: 33_554_000,
    sequence: 2 ** 41,
    salt,
    starts: [1, 2, 3],
    ends: [10, 2 ** 45, 30],
  };

  it('gives back what went in', () => {
    const bytes = encodeSegmentHeader(header);
    expect(bytes.length).toBe(4096);
    expect(segmentHeaderBytesOf(bytes)).toBe(4096);
    expect(decodeSegmentHeader(bytes)).toEqual(header);
    const wide = { ...header, starts: new Array(256).fill(5), ends: new Array(256).fill(6) };
    expect(encodeSegmentHeader(wide).length).toBe(segmentHeaderBytes(256));
    expect(decodeSegmentHeader(encodeSegmentHeader(wide))).toEqual(wide);
  });

  it('is none where a byte differs', () => {
    const bytes = encodeSegmentHeader(header);
    for (let at = 0; at < 130; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(decodeSegmentHeader(damaged), `byte ${at}`).toBeNull();
    }
    expect(decodeSegmentHeader(bytes.subarray(0, 100))).toBeNull();
    expect(segmentHeaderBytesOf(Buffer.from('something else altogether'.repeat(10)))).toBeNull();
  });
});
