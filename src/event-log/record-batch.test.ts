import { describe, expect, it } from 'vitest';
import { decodeRecordBatch, encodedBytes, encodeRecordBatch } from './record-batch.ts';

const values = ['first', '', 'third with ünïcode'].map((text) => Buffer.from(text));
const timestamp = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

describe('a record batch', () => {
  it('gives back what went in', () => {
    const batch = decodeRecordBatch(encodeRecordBatch(values, timestamp));
    expect(batch.count).toBe(3);
    expect(batch.timestamp).toBe(timestamp);
    expect(batch.values.map((value) => Buffer.from(value))).toEqual(values);
  });

  it('takes 20 bytes, and 4 for each record', () => {
    const bytes = encodeRecordBatch(values, timestamp).length;
    expect(bytes).toBe(20 + values.reduce((sum, value) => sum + encodedBytes(value), 0));
    expect(encodedBytes(Buffer.alloc(7))).toBe(11);
  });

  it('keeps its bytes: logs of earlier versions must stay readable', () => {
    expect(encodeRecordBatch([Buffer.from('ab'), Buffer.from('c')], 1_700_000_000_000).toString('hex')).toBe(
      '0100000000000002' + '4278bcfe56800000' + '5b7b4924' + '0000000200000001' + '616263',
    );
  });

  it('notices every changed byte behind its number and time, and a cut', () => {
    const sound = encodeRecordBatch(values, timestamp);
    for (let at = 16; at < sound.length; at += 1) {
      const damaged = Buffer.from(sound);
      damaged[at]! ^= 0x10;
      expect(() => decodeRecordBatch(damaged), `byte ${at}`).toThrow(RangeError);
    }
    for (let length = 0; length < sound.length; length += 1) {
      expect(() => decodeRecordBatch(sound.subarray(0, length)), `${length} bytes`).toThrow(RangeError);
    }
    expect(() => decodeRecordBatch(Buffer.concat([Buffer.from([2]), sound.subarray(1)]))).toThrow(/known format/);
  });

  it('notices that its number is another', () => {
    const values = ['a', 'bcd', ''].map((text) => Buffer.from(text));
    for (const count of [0, 1, 2, 4, 5, 1_000, 2 ** 32 - 1]) {
      const batch = encodeRecordBatch(values, 1);
      batch.writeUInt32BE(count, 4);
      expect(() => decodeRecordBatch(batch), String(count)).toThrow(RangeError);
    }
  });
});
