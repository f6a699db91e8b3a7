import { crc32c } from '@platformatic/wasm-utils';

/**
 * Kafka's record batch, version 2 ("Record Batch" in Kafka's protocol documentation): the form in which records travel
 * and are kept. Written into one buffer.
 *
 *   0  base offset, 8          16 magic, 1 (always 2)       27 first timestamp, 8    53 base sequence, 4
 *   8  length behind it, 4     17 CRC-32C of the rest, 4    35 max timestamp, 8      57 number of records, 4
 *   12 leader epoch, 4         21 attributes, 2             43 producer id, 8        61 the records
 *                              23 last offset delta, 4      51 producer epoch, 2
 *
 * A record: length, attributes, timestamp delta, offset delta, key, value, headers; numbers zigzag-encoded.
 */
export const batchHeaderBytes = 61;
export const lengthAt = 8;
export const crcAt = 17;
export const attributesAt = 21;
export const magicKnown = 2;
/** What a record may take beside its key, value and headers: seven numbers. */
const recordOverheadBytes = 28;
const headerOverheadBytes = 10;

export interface RecordToEncode {
  readonly value: Uint8Array;
  readonly key?: Uint8Array | null;
  readonly headers?: readonly (readonly [name: Uint8Array, value: Uint8Array])[];
}

const noHeaders: NonNullable<RecordToEncode['headers']> = [];

export function encodedRecordBytes({ value, key, headers = noHeaders }: RecordToEncode): number {
  let bytes = recordOverheadBytes + value.length + (key?.length ?? 0);
  for (const [name, content] of headers) bytes += headerOverheadBytes + name.length + content.length;
  return bytes;
}

export function encodeBatch(records: readonly RecordToEncode[], timestampMs: number): Buffer {
  let size = batchHeaderBytes;
  for (const record of records) size += encodedRecordBytes(record);
  const batch = Buffer.allocUnsafe(size);
  const end = writeRecords(batch, records);
  const timestamp = BigInt(timestampMs);
  batch.writeBigInt64BE(0n, 0);
  batch.writeInt32BE(end - lengthAt - 4, lengthAt);
  batch.writeInt32BE(-1, 12);
  batch[16] = magicKnown;
  batch.writeInt16BE(0, attributesAt);
  batch.writeInt32BE(records.length - 1, 23);
  batch.writeBigInt64BE(timestamp, 27);
  batch.writeBigInt64BE(timestamp, 35);
  // No producer id, epoch and sequence: not idempotent, the ids of the events make repeats harmless.
  batch.writeBigInt64BE(-1n, 43);
  batch.writeInt16BE(-1, 51);
  batch.writeInt32BE(-1, 53);
  batch.writeInt32BE(records.length, 57);
  batch.writeUInt32BE(checksum(batch.subarray(attributesAt, end)), crcAt);
  return batch.subarray(0, end);
}

function writeRecords(batch: Buffer, records: readonly RecordToEncode[]): number {
  let at = batchHeaderBytes;
  for (let index = 0; index < records.length; index += 1) {
    const { value, key = null, headers = noHeaders } = records[index]!;
    const keyLength = key === null ? -1 : key.length;
    let length = 2 + sizeOf(index) + sizeOf(keyLength) + Math.max(0, keyLength) + sizeOf(value.length) + value.length;
    length += sizeOf(headers.length);
    for (const [name, content] of headers) {
      length += sizeOf(name.length) + name.length + sizeOf(content.length) + content.length;
    }
    at = writeNumber(batch, at, length);
    batch[at] = 0;
    batch[at + 1] = 0;
    at = writeNumber(batch, at + 2, index);
    at = writeNumber(batch, at, keyLength);
    if (key !== null) at = writeBytes(batch, at, key);
    at = writeNumber(batch, at, value.length);
    at = writeBytes(batch, at, value);
    at = writeNumber(batch, at, headers.length);
    for (const [name, content] of headers) {
      at = writeBytes(batch, writeNumber(batch, at, name.length), name);
      at = writeBytes(batch, writeNumber(batch, at, content.length), content);
    }
  }
  return at;
}

function writeBytes(batch: Buffer, at: number, bytes: Uint8Array): number {
  batch.set(bytes, at);
  return at + bytes.length;
}

/** Zigzag: lengths are under 2^30, and −1 stands for none. */
function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function sizeOf(value: number): number {
  let rest = zigzag(value);
  let bytes = 1;
  for (; rest > 0x7f; rest >>>= 7) bytes += 1;
  return bytes;
}

function writeNumber(batch: Buffer, at: number, value: number): number {
  let rest = zigzag(value);
  let next = at;
  for (; rest > 0x7f; rest >>>= 7) {
    batch[next] = (rest & 0x7f) | 0x80;
    next += 1;
  }
  batch[next] = rest;
  return next + 1;
}

/** CRC-32C. */
export function checksum(bytes: Buffer): number {
  return crc32c(bytes);
}
