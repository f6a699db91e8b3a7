import { type CompressionAlgorithmValue, createRecordsBatch } from '@platformatic/kafka';
import { snappyCompress } from '@platformatic/wasm-utils';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../domain/limits.ts';
import { isAbortMarker, RecordCursor, readBatches } from './decode-batch.ts';
import { batchHeaderBytes, checksum, encodeBatch } from './encode-batch.ts';

const timestamp = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

function valueAtCursor({ bytes, valueAt, valueBytes }: RecordCursor): Buffer | null {
  return valueBytes < 0 ? null : bytes.subarray(valueAt, valueAt + valueBytes);
}

function recordsOf(bytes: Buffer) {
  const records = [];
  for (const batch of readBatches(bytes)) {
    const cursor = new RecordCursor(batch);
    while (cursor.next()) {
      const { offset, timestamp } = cursor;
      records.push({ offset, timestamp, key: cursor.key(), value: valueAtCursor(cursor) });
    }
  }
  return records;
}

/** What a broker may change of a batch, with its checksum put right. */
function changed(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(batch);
  change(bytes);
  bytes.writeUInt32BE(checksum(bytes.subarray(21)), 17);
  return bytes;
}

const three = encodeBatch(
  ['one', 'two', 'three'].map((text) => ({ value: Buffer.from(text) })),
  timestamp,
);

describe('decoding batches', () => {
  it('gives back what was encoded, at the offset the broker gave it', () => {
    const placed = Buffer.from(three);
    // Not under the checksum: the broker writes it.
    placed.writeBigInt64BE(2n ** 40n, 0);
    expect(recordsOf(placed)).toEqual(
      ['one', 'two', 'three'].map((text, nth) => {
        return { offset: 2 ** 40 + nth, timestamp, key: null, value: Buffer.from(text) };
      }),
    );
    expect([...readBatches(placed)][0]).toMatchObject({ baseOffset: 2 ** 40, lastOffset: 2 ** 40 + 2, count: 3 });
  });

  /** A batch with other bytes in the place of its records. */
  function packedAs(compression: number, body: Buffer): Buffer {
    const batch = Buffer.concat([three.subarray(0, batchHeaderBytes), body]);
    return changed(batch, (bytes) => {
      bytes.writeInt32BE(bytes.length - 12, 8);
      bytes.writeInt16BE(compression, 21);
    });
  }

  it('reads Snappy as Java frames it, in blocks', () => {
    const records = three.subarray(batchHeaderBytes);
    const header = Buffer.from('82534e41505059000000000100000001', 'hex');
    const block = (bytes: Buffer) => {
      const packed = snappyCompress(bytes);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(packed.length);
      return Buffer.concat([length, packed]);
    };
    const body = Buffer.concat([header, block(records.subarray(0, 10)), block(records.subarray(10))]);
    expect(recordsOf(packedAs(2, body)).map(({ value }) => String(value))).toEqual(['one', 'two', 'three']);
    for (const cut of [1, 3, 5]) {
      expect(() => recordsOf(packedAs(2, body.subarray(0, body.length - cut)))).toThrow();
    }
    expect(() => recordsOf(packedAs(2, body.subarray(0, header.length + 2)))).toThrow('end too early');
  });

  it.each([
    ['Snappy, by what it says of itself', 2, Buffer.from([0xff, 0xff, 0xff, 0xff, 0x04, 0x00, 0x00])],
    [
      'LZ4, by its blocks',
      3,
      Buffer.concat([
        Buffer.from('04224d186070', 'hex'),
        Buffer.from([0x73]),
        ...Array.from({ length: 40 }, () => Buffer.from([1, 0, 0, 0, 0])),
        Buffer.alloc(4),
      ]),
    ],
  ])('does not unpack what would end the process: %s', (_, compression, body) => {
    expect(() => recordsOf(packedAs(compression, body))).toThrow(
      `unpacks to more than ${limits.kafkaUnpackedBytesMax} bytes`,
    );
  });

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('reads batches of other clients: %s', (compression) => {
    const messages = Array.from({ length: 50 }, (_, nth) => ({
      topic: 'events',
      key: Buffer.from(`key ${nth}`),
      value: Buffer.from(`value ${nth} `.repeat(nth)),
      headers: new Map([[Buffer.from('header'), Buffer.from('text')]]),
      timestamp: BigInt(timestamp + nth * 1_000 - 7_000),
    }));
    const bytes = createRecordsBatch(messages, { compression: compression as CompressionAlgorithmValue }).buffer;
    expect(recordsOf(bytes)).toEqual(
      messages.map(({ key, value }, nth) => ({ offset: nth, timestamp: timestamp + nth * 1_000 - 7_000, key, value })),
    );
  });

  it.each(['gzip', 'zstd'] as const)('does not unpack what would end the process: %s', (compression) => {
    const value = Buffer.alloc(limits.kafkaUnpackedBytesMax + 1);
    const { buffer } = createRecordsBatch([{ topic: 'events', value }], { compression });
    expect(buffer.length).toBeLessThan(200_000);
    expect(() => recordsOf(buffer)).toThrow(`unpacks to more than ${limits.kafkaUnpackedBytesMax} bytes`);
  });

  it('takes the time from the broker where the topic says so', () => {
    const appendedAt = timestamp + 5_000;
    const bytes = changed(three, (batch) => {
      batch.writeInt16BE(1 << 3, 21);
      batch.writeBigInt64BE(BigInt(appendedAt), 35);
    });
    expect(recordsOf(bytes).map((record) => record.timestamp)).toEqual([appendedAt, appendedAt, appendedAt]);
  });

  it('reads one batch behind another, and leaves out one that was cut off', () => {
    const both = Buffer.concat([three, three]);
    expect(recordsOf(both)).toHaveLength(6);
    for (let length = three.length; length < both.length; length += 1) {
      expect(recordsOf(both.subarray(0, length)), `${length} bytes`).toHaveLength(3);
    }
    expect(recordsOf(Buffer.alloc(0))).toEqual([]);
  });

  it('notices every changed byte under the checksum', () => {
    for (let at = 16; at < three.length; at += 1) {
      const damaged = Buffer.from(three);
      damaged[at]! ^= 0x10;
      expect(() => [...readBatches(damaged)], `byte ${at}`).toThrow(RangeError);
    }
  });

  it('does not read past the end of what a record says of itself', () => {
    const tooLong = changed(three, (batch) => batch.writeUInt8(120, 61));
    expect(() => recordsOf(tooLong)).toThrow(RangeError);
    const tooMany = changed(three, (batch) => batch.writeInt32BE(4, 57));
    expect(() => recordsOf(tooMany)).toThrow(RangeError);
  });

  it('refuses batches of a version it does not know, and ways to compress', () => {
    const older = Buffer.from(three);
    older[16] = 1;
    expect(() => [...readBatches(older)]).toThrow('version 1');
    const unknown = changed(three, (batch) => batch.writeInt16BE(5, 21));
    expect(() => recordsOf(unknown)).toThrow('not known (5)');
  });

  it.each([
    ['abort', 0, true],
    ['commit', 1, false],
  ])('knows the marker of a transaction: %s', (_, type, isAbort) => {
    const key = Buffer.from([0, 0, 0, type]);
    const marker = changed(encodeBatch([{ key, value: Buffer.alloc(6) }], timestamp), (batch) => {
      batch.writeInt16BE((1 << 5) | (1 << 4), 21);
    });
    const [batch] = readBatches(marker);
    expect(batch).toMatchObject({ isControl: true, isTransactional: true });
    expect(isAbortMarker(batch!)).toBe(isAbort);
  });
});
