import { crc32 } from 'node:zlib';

/**
 * How the embedded log keeps records: those of one append that go to one partition stand together in one value.
 *
 *   byte 0      format, 1
 *   bytes 4-7   number of records
 *   bytes 8-15  when the log took them, milliseconds since the epoch, a double
 *   bytes 16-19 CRC-32 of everything behind it: LMDB's pages carry no checksum, and a rotten byte must not pass for an event
 *   then        the length of each record, then the records
 *
 * Numbers are big-endian.
 */
const format = 1;
const headerBytes = 20;
const lengthBytes = 4;

export interface RecordBatch {
  readonly count: number;
  readonly timestamp: number;
  /** The records share one buffer, which is theirs alone. */
  readonly values: readonly Uint8Array[];
}

/** The bytes a record adds to its batch. */
export function encodedBytes(value: Uint8Array): number {
  return lengthBytes + value.length;
}

export function encodeRecordBatch(values: readonly Uint8Array[], timestamp: number): Buffer {
  let bytes = headerBytes;
  for (const value of values) bytes += encodedBytes(value);
  const batch = Buffer.allocUnsafe(bytes);
  batch.writeUInt32BE(format << 24, 0);
  batch.writeUInt32BE(values.length, 4);
  batch.writeDoubleBE(timestamp, 8);
  let lengthAt = headerBytes;
  let valueAt = headerBytes + values.length * lengthBytes;
  for (const value of values) {
    batch.writeUInt32BE(value.length, lengthAt);
    batch.set(value, valueAt);
    lengthAt += lengthBytes;
    valueAt += value.length;
  }
  batch.writeUInt32BE(crc32(batch.subarray(headerBytes)), 16);
  return batch;
}

/** Throws RangeError for bytes that are not what `encodeRecordBatch` wrote. Copies nothing. */
export function decodeRecordBatch(bytes: Buffer): RecordBatch {
  if (bytes.length < headerBytes || bytes[0] !== format) throw new RangeError('not a record batch of a known format');
  const count = bytes.readUInt32BE(4);
  const firstValueAt = headerBytes + count * lengthBytes;
  if (firstValueAt > bytes.length) throw new RangeError('a record batch that ends too early');
  if (crc32(bytes.subarray(headerBytes)) !== bytes.readUInt32BE(16))
    throw new RangeError('a record batch whose checksum differs');
  const values = new Array<Uint8Array>(count);
  let valueAt = firstValueAt;
  for (let index = 0; index < count; index += 1) {
    const valueEnd = valueAt + bytes.readUInt32BE(headerBytes + index * lengthBytes);
    values[index] = bytes.subarray(valueAt, valueEnd);
    valueAt = valueEnd;
  }
  if (valueAt !== bytes.length) throw new RangeError('a record batch whose lengths do not add up');
  return { count, timestamp: bytes.readDoubleBE(8), values };
}
