import { compressionsAlgorithmsByBitmask } from '@platformatic/kafka';
import { attributesAt, batchHeaderBytes, checksum, crcAt, lengthAt, magicKnown } from './encode-batch.ts';

const compressionMask = 0b111;
const logAppendTimeFlag = 1 << 3;
const transactionalFlag = 1 << 4;
const controlFlag = 1 << 5;

export interface KafkaBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly count: number;
  /** Who wrote it, where the writer uses transactions or is idempotent; −1n else. */
  readonly producerId: bigint;
  readonly isTransactional: boolean;
  /** A marker of the transaction coordinator's, no data. */
  readonly isControl: boolean;
  readonly attributes: number;
  readonly firstTimestamp: number;
  readonly maxTimestamp: number;
  /** The records as they stand, compressed or not. */
  readonly body: Buffer;
}

export interface DecodedRecord {
  readonly offset: number;
  /** As the topic has it: when the broker took it, or what the producer said. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/**
 * The batches of a fetch, one behind another; a last one that was cut off is left out, as the broker sends it. Copies nothing.
 * @throws RangeError where it comes to bytes that are no batch of version 2, or whose checksum differs
 */
export function* readBatches(bytes: Buffer): Generator<KafkaBatch> {
  for (let at = 0; bytes.length - at >= batchHeaderBytes; ) {
    const end = at + lengthAt + 4 + bytes.readInt32BE(at + lengthAt);
    if (end > bytes.length) break;
    const magic = bytes[at + 16];
    if (magic !== magicKnown) throw new RangeError(`a record batch of version ${magic}; only version 2 is known`);
    if (end - at < batchHeaderBytes) throw new RangeError('a record batch that is shorter than its header');
    if (checksum(bytes.subarray(at + attributesAt, end)) !== bytes.readUInt32BE(at + crcAt)) {
      throw new RangeError('a record batch whose checksum differs');
    }
    yield readHeader(bytes.subarray(at, end));
    at = end;
  }
}

function readHeader(batch: Buffer): KafkaBatch {
  const attributes = batch.readInt16BE(attributesAt);
  const baseOffset = Number(batch.readBigInt64BE(0));
  return {
    baseOffset,
    lastOffset: baseOffset + batch.readInt32BE(23),
    count: batch.readInt32BE(57),
    producerId: batch.readBigInt64BE(43),
    isTransactional: (attributes & transactionalFlag) !== 0,
    isControl: (attributes & controlFlag) !== 0,
    attributes,
    firstTimestamp: Number(batch.readBigInt64BE(27)),
    maxTimestamp: Number(batch.readBigInt64BE(35)),
    body: batch.subarray(batchHeaderBytes),
  };
}

/** Calls `take` with each record, in order. @throws RangeError for a batch that ends too early */
export function readRecords(batch: KafkaBatch, take: (record: DecodedRecord) => void): void {
  const cursor = { bytes: bodyOf(batch), at: 0 };
  // Whoever the topic lets set the time has set it for the whole batch.
  const brokerTime = (batch.attributes & logAppendTimeFlag) === 0 ? null : batch.maxTimestamp;
  for (let nth = 0; nth < batch.count; nth += 1) {
    const length = readNumber(cursor);
    const end = cursor.at + length;
    cursor.at += 1;
    const timestamp = batch.firstTimestamp + readNumber(cursor);
    const offset = batch.baseOffset + readNumber(cursor);
    const key = readBytes(cursor);
    const value = readBytes(cursor);
    if (length < 0 || cursor.at > end || end > cursor.bytes.length)
      throw new RangeError('a record that ends too early');
    take({ offset, timestamp: brokerTime ?? timestamp, key, value });
    // Headers are nothing to us.
    cursor.at = end;
  }
}

/** Whether a control batch ends its transaction as aborted; the key of its record says so: version, then type. */
export function isAbortMarker(batch: KafkaBatch): boolean {
  let isAbort = false;
  readRecords(batch, ({ key }) => {
    isAbort = key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
  });
  return isAbort;
}

function bodyOf({ attributes, body }: KafkaBatch): Buffer {
  const compression = attributes & compressionMask;
  if (compression === 0) return body;
  const algorithms: Readonly<Record<number, { decompressSync(bytes: Buffer): Buffer } | undefined>> =
    compressionsAlgorithmsByBitmask;
  const algorithm = algorithms[compression];
  if (!algorithm) throw new RangeError(`a record batch compressed in a way that is not known (${compression})`);
  return algorithm.decompressSync(body);
}

interface ByteCursor {
  readonly bytes: Buffer;
  at: number;
}

function readBytes(cursor: ByteCursor): Buffer | null {
  const length = readNumber(cursor);
  if (length < 0) return null;
  const start = cursor.at;
  cursor.at += length;
  return cursor.bytes.subarray(start, cursor.at);
}

/** By multiplication, as timestamps are longer than the 32 bits of JavaScript's bit operations. */
function readNumber(cursor: ByteCursor): number {
  let byte = cursor.bytes[cursor.at++];
  if (byte === undefined) throw new RangeError('a number that ends too early');
  let value = byte & 0x7f;
  for (let factor = 128; byte > 0x7f; factor *= 128) {
    byte = cursor.bytes[cursor.at++];
    if (byte === undefined) throw new RangeError('a number that ends too early');
    value += (byte & 0x7f) * factor;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
