import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../testing/random.ts';
import { readBack } from '../../../testing/read-back.ts';
import {
  array,
  ByteReader,
  ByteWriter,
  boolean,
  bytes,
  type Codec,
  classicArray,
  classicNullableBytes,
  classicString,
  classicStruct,
  encode,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
  nullableBytes,
  nullableString,
  string,
  struct,
  uuid,
} from './codec.ts';

const hex = <Value>(codec: Codec<Value>, value: Value) => encode(codec, value).toString('hex');

describe("the protocol's types", () => {
  it('are written as its documentation has them', () => {
    expect(hex(boolean, true)).toBe('01');
    expect(hex(int8, -1)).toBe('ff');
    expect(hex(int16, -2)).toBe('fffe');
    expect(hex(int32, 0x01020304)).toBe('01020304');
    expect(hex(int64, -2n)).toBe('fffffffffffffffe');
    expect(hex(uuid, '00112233-4455-6677-8899-aabbccddeeff')).toBe('00112233445566778899aabbccddeeff');
    expect(hex(string, 'aé')).toBe('0461c3a9');
    expect(hex(nullableString, null)).toBe('00');
    expect(hex(bytes, Buffer.alloc(0))).toBe('01');
    expect(hex(nullableBytes, null)).toBe('00');
    expect(hex(array(int8), [1, 2])).toBe('030102');
    expect(hex(nullableArray(int8), null)).toBe('00');
    expect(hex(struct({ a: int8, b: int8 }), { b: 2, a: 1 })).toBe('010200');
    expect(hex(classicString, 'a')).toBe('000161');
    expect(hex(classicNullableBytes, null)).toBe('ffffffff');
    expect(hex(classicArray(int8), [7])).toBe('0000000107');
    expect(hex(classicStruct({ a: int8 }), { a: 1 })).toBe('01');
  });

  it('are read as they were written', () => {
    for (const length of [0, 1, 126, 127, 128, 16_382, 16_383, 16_384, 2_097_151, 2_097_152]) {
      expect(readBack(bytes, Buffer.alloc(length, 1)).length).toBe(length);
    }
    for (const value of [0n, -1n, 2n ** 62n, -(2n ** 63n)]) expect(readBack(int64, value)).toBe(value);
    expect(readBack(uuid, '00112233-4455-6677-8899-aabbccddeeff')).toBe('00112233-4455-6677-8899-aabbccddeeff');
    expect(readBack(nullableBytes, null)).toBeNull();
    expect(readBack(classicNullableBytes, null)).toBeNull();
    expect(readBack(classicNullableBytes, Buffer.from('x'))).toEqual(Buffer.from('x'));
    expect(readBack(classicArray(classicString), ['a', ''])).toEqual(['a', '']);
    expect(readBack(nullableArray(string), null)).toBeNull();
  });

  it('are refused where a null stands that Kafka rules out, and where a number does not end', () => {
    expect(() => string.read(new ByteReader(Buffer.from([0])))).toThrow('a string that is null');
    expect(() => bytes.read(new ByteReader(Buffer.from([0])))).toThrow('bytes that is null');
    expect(() => bytes.read(new ByteReader(Buffer.alloc(9, 0xff)))).toThrow(RangeError);
    expect(() => int32.read(new ByteReader(Buffer.alloc(3)))).toThrow('4 bytes are read where 3 are left');
  });
});

describe('a message', () => {
  it('is in order whatever the sizes, and holds large bytes without a copy', () => {
    const random = createRandom(11);
    for (let round = 0; round < 100; round += 1) {
      const parts = Array.from({ length: 1 + random.below(20) }, (_, nth) =>
        Buffer.alloc(Math.floor(random.next() ** 4 * 20_000), nth),
      );
      const writer = new ByteWriter();
      for (const part of parts) {
        writer.int16(part.length);
        writer.bytes(part);
      }
      const { pieces, bytes: length } = writer.finish();
      const expected = Buffer.concat(parts.flatMap((part) => [encode(int16, part.length), part]));
      expect(Buffer.concat(pieces).equals(expected)).toBe(true);
      expect(length).toBe(expected.length);
      for (const part of parts) if (part.length >= 4_096) expect(pieces).toContain(part);
    }
  });
});
