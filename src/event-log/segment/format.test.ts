import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { RecordToAppend } from '../event-log.ts';
import { boundariesBytes, bytesToNextPage, decodeBoundaries, encodeBoundaries } from './boundaries.ts';
import {
  type BatchHeader,
  batchHeaderBytes,
  decodeBatch,
  decodeGroupHeader,
  decodeSegmentHeader,
  encodeGroup,
  encodeSegmentHeader,
  groupHeaderBytes,
  lengthsAddUp,
  newGroupsAt,
  type RecordBatch,
  recordsMax,
  type SegmentHeader,
  segmentHeaderBytes,
  segmentHeaderBytesOf,
  visitBatches,
} from './format.ts';

const salt = Buffer.from('0123456789abcdef', 'hex');
const timestamp = Date.UTC(2026, 1, 3, 4, 5, 6, 789);
const room = (bytes: number) => Buffer.alloc(bytes, 0xee);
const textsOf = ({ whole, valuesAt }: RecordBatch) =>
  valuesAt.slice(1).map((end, nth) => whole.toString('utf8', valuesAt[nth], end));
const record = (partition: number, text: string): RecordToAppend => ({ partition, value: Buffer.from(text) });

function encode(records: readonly RecordToAppend[], ends: readonly number[] = [0, 0, 0], batchBytesMax = 1_000_000) {
  return encodeGroup(records, { salt, sequence: 7 }, ends, timestamp, batchBytesMax, room);
}

/** What a visit of the group finds, in order. */
function visit(group: Buffer) {
  const found: (readonly ['batch' | 'damage', at: number, bytes: number])[] = [];
  const told: (BatchHeader | null)[] = [];
  visitBatches(group, {
    onBatch: ({ bytes }, at) => found.push(['batch', at, bytes]),
    onDamage(at, bytes, header) {
      found.push(['damage', at, bytes]);
      told.push(header);
    },
  });
  return { found, told };
}

function batchesOf(group: Buffer) {
  return visit(group).found.map(([kind, at, bytes]) => {
    expect(kind).toBe('batch');
    return decodeBatch(group.subarray(at, at + bytes));
  });
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
    expect(textsOf(first!)).toEqual(['a', '', 'ünïcode']);
    expect(second).toMatchObject({ partition: 0, base: 5, count: 1 });
    expect(textsOf(second!)).toEqual(['b']);
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

  describe('that is damaged', () => {
    const group = encode([record(2, 'aaaa'), record(0, 'bb'), record(0, 'b'), record(1, 'cc')], [5, 6, 7]).bytes;
    const places = visit(group).found;
    const [first, second, third] = places.map(([, at]) => at) as [number, number, number];
    const damagedAt = (...bytes: number[]) => {
      const damaged = Buffer.from(group);
      for (const at of bytes) damaged[at]! ^= 0x10;
      return damaged;
    };
    const asDamage = (...which: number[]) =>
      places.map((place, nth) => (which.includes(nth) ? ['damage', ...place.slice(1)] : place));

    it('gives all batches but the one that is, and that one’s own words', () => {
      for (let at = second; at < third; at += 1) {
        const { found, told } = visit(damagedAt(at));
        expect(found, `byte ${at}`).toEqual(asDamage(1));
        expect(told[0]!.bytes).toBe(third - second);
      }
    });

    it('gives nothing behind one that does not even tell its length', () => {
      const { found, told } = visit(damagedAt(second + 5, second + batchHeaderBytes + 2));
      expect(found).toEqual([places[0], ['damage', second, group.length - second]]);
      expect(told).toEqual([null]);
    });

    it('gives what lies between and behind two of them', () => {
      expect(visit(damagedAt(first + 20, third + 20)).found).toEqual(asDamage(0, 2));
      expect(visit(damagedAt(first + 20, second + 20)).found).toEqual(asDamage(0, 1));
    });

    it('gives them all where only its header is', () => {
      expect(visit(damagedAt(0, 9, 20)).found).toEqual(places);
    });

    it('is cut off', () => {
      expect(visit(group.subarray(0, -1)).found.at(-1)).toEqual(['damage', third, group.length - 1 - third]);
      expect(visit(group.subarray(0, second + 10)).found.at(-1)).toEqual(['damage', second, 10]);
    });

    it('has a number of records that can be believed where the lengths add up, and a most of them where not', () => {
      const batch = (damaged: Buffer) => damaged.subarray(second, third);
      expect(lengthsAddUp(batch(group))).toBe(true);
      expect(lengthsAddUp(batch(damagedAt(third - 1)))).toBe(true);
      for (const at of [15, batchHeaderBytes, batchHeaderBytes + 7]) {
        expect(lengthsAddUp(batch(damagedAt(second + at))), `byte ${at}`).toBe(false);
      }
      expect(recordsMax(batchHeaderBytes + 8)).toBe(2);
      expect(recordsMax(3)).toBe(0);
    });
  });
});

describe('a group of boundaries', () => {
  const starts = [0, 7, 2 ** 50];
  const ends = [9, 7, 2 ** 51];

  it('gives them back, and shows a changed byte', () => {
    const bytes = encodeBoundaries(starts, ends, { salt, sequence: 3 });
    expect(decodeGroupHeader(bytes, 0, salt)).toEqual({ bytes: bytes.length, sequence: 3, batches: 0 });
    expect(decodeBoundaries(bytes, 3)).toEqual({ starts, ends });
    expect(bytes.length).toBe(boundariesBytes(3));
    const padding = bytesToNextPage(bytes.length);
    const padded = encodeBoundaries(starts, ends, { salt, sequence: 3 }, padding);
    expect(padded.length).toBe(4096);
    expect(bytesToNextPage(padded.length)).toBe(0);
    expect(decodeBoundaries(padded, 3)).toEqual({ starts, ends });
    for (let at = groupHeaderBytes; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(decodeBoundaries(damaged, 3), `byte ${at}`).toBeNull();
    }
    expect(decodeBoundaries(encode([record(0, 'x'.repeat(12))]).bytes, 3)).toBeNull();
  });

  it('had starts only in a first version', () => {
    const group = Buffer.alloc(groupHeaderBytes + 4 + 3 * 8);
    for (const [partition, start] of starts.entries()) group.writeDoubleBE(start, groupHeaderBytes + 4 + partition * 8);
    group.writeUInt32BE(crc32(group.subarray(groupHeaderBytes + 4)), groupHeaderBytes);
    expect(decodeBoundaries(group, 3)).toEqual({ starts, ends: null });
  });
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
    groupsAt: 2 * 4096,
  };

  it('gives back what went in', () => {
    const bytes = encodeSegmentHeader(header);
    expect(bytes.length).toBe(2 * 4096);
    for (const copy of [bytes.subarray(0, 4096), bytes.subarray(4096)]) {
      expect(segmentHeaderBytesOf(copy)).toBe(4096);
      expect(decodeSegmentHeader(copy)).toEqual(header);
    }
    const groupsAt = newGroupsAt(256);
    const wide = { ...header, starts: new Array(256).fill(5), ends: new Array(256).fill(6), groupsAt };
    expect(encodeSegmentHeader(wide).length).toBe(groupsAt);
    expect(decodeSegmentHeader(encodeSegmentHeader(wide).subarray(0, segmentHeaderBytes(256)))).toEqual(wide);
  });

  it('is none where a byte differs', () => {
    const bytes = encodeSegmentHeader(header).subarray(0, 4096);
    for (let at = 0; at < 130; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged[at]! ^= 0x10;
      expect(decodeSegmentHeader(damaged), `byte ${at}`).toBeNull();
    }
    expect(decodeSegmentHeader(bytes.subarray(0, 100))).toBeNull();
    // A first version had one copy of it.
    const single = Buffer.from(bytes);
    single[7] = 1;
    expect(decodeSegmentHeader(single)).toBeNull();
    single.writeUInt32BE(crc32(single.subarray(12)), 8);
    expect(decodeSegmentHeader(single)).toEqual({ ...header, groupsAt: 4096 });
    expect(segmentHeaderBytesOf(Buffer.from('something else altogether'.repeat(10)))).toBeNull();
  });
});
