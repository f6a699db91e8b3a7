import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { lz4Decompress, snappyDecompress } from '@platformatic/wasm-utils';
import { limits } from '../../../domain/limits.ts';
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

/**
 * Goes through the records of a batch, in order. It is itself the record that it stands at: a worker reads a hundred thousand a
 * second, and an object for each takes more than reading it.
 */
export class RecordCursor {
  offset = -1;
  /** As the topic has it: when the broker took it, or what the producer said. */
  timestamp = 0;
  /** All of the record, in the batch. */
  recordBytes = 0;
  /** −1: it has none. */
  valueBytes = -1;
  // Not the batch: one that was packed would hold the whole answer that it came in.
  readonly #bytes: Buffer;
  readonly #count: number;
  readonly #baseOffset: number;
  readonly #firstTimestamp: number;
  /** Whoever the topic lets set the time has set it for the whole batch. */
  readonly #brokerTime: number | null;
  #at = 0;
  #left: number;
  #keyAt = 0;
  #keyBytes = -1;
  #valueAt = 0;

  constructor(batch: KafkaBatch) {
    this.#bytes = bodyOf(batch);
    this.#count = batch.count;
    this.#baseOffset = batch.baseOffset;
    this.#firstTimestamp = batch.firstTimestamp;
    this.#brokerTime = (batch.attributes & logAppendTimeFlag) === 0 ? null : batch.maxTimestamp;
    this.#left = batch.count;
  }

  /** Goes on to the next record. False: there is none. @throws RangeError for a batch that ends too early */
  next(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    const start = this.#at;
    const length = this.#number();
    const end = this.#at + length;
    this.#at += 1;
    const timestamp = this.#firstTimestamp + this.#number();
    this.timestamp = this.#brokerTime ?? timestamp;
    this.offset = this.#baseOffset + this.#number();
    this.#keyBytes = this.#number();
    this.#keyAt = this.#at;
    if (this.#keyBytes > 0) this.#at += this.#keyBytes;
    this.valueBytes = this.#number();
    this.#valueAt = this.#at;
    if (this.valueBytes > 0) this.#at += this.valueBytes;
    if (length < 0 || this.#at > end || end > this.#bytes.length) throw new RangeError('a record that ends too early');
    // Headers are nothing to us.
    this.#at = end;
    this.recordBytes = end - start;
    return true;
  }

  /** Back to before the first record. */
  rewind(): void {
    this.#at = 0;
    this.#left = this.#count;
  }

  /** A view of the batch, as `value` is. */
  key(): Buffer | null {
    return this.#keyBytes < 0 ? null : this.#bytes.subarray(this.#keyAt, this.#keyAt + this.#keyBytes);
  }

  value(): Buffer | null {
    return this.valueBytes < 0 ? null : this.#bytes.subarray(this.#valueAt, this.#valueAt + this.valueBytes);
  }

  /** By multiplication, as timestamps are longer than the 32 bits of JavaScript's bit operations. */
  #number(): number {
    let byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError('a number that ends too early');
    let value = byte & 0x7f;
    for (let factor = 128; byte > 0x7f; factor *= 128) {
      byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError('a number that ends too early');
      value += (byte & 0x7f) * factor;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** Whether a control batch ends its transaction as aborted; the key of its record says so: version, then type. */
export function isAbortMarker(batch: KafkaBatch): boolean {
  const cursor = new RecordCursor(batch);
  let isAbort = false;
  while (cursor.next()) {
    const key = cursor.key();
    isAbort = key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
  }
  return isAbort;
}

const gzip = 1;
const snappy = 2;
const lz4 = 3;
const zstd = 4;

function bodyOf({ attributes, body }: KafkaBatch): Buffer {
  const compression = attributes & compressionMask;
  if (compression === 0) return body;
  // These two make a thousand times as much of it, and more: enough to end the process, again and again.
  if (compression === gzip) return unpacked(gunzipSync, body);
  if (compression === zstd) return unpacked(zstdDecompressSync, body);
  if (compression === snappy) return unpackSnappy(body);
  if (compression === lz4) return lz4Decompress(body);
  throw new RangeError(`a record batch compressed in a way that is not known (${compression})`);
}

/** As Java's library frames it: a header of 16 bytes that begins so, then blocks, each behind its length. */
const snappyFrame = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const snappyHeaderBytes = 16;

function unpackSnappy(body: Buffer): Buffer {
  if (!body.subarray(0, snappyFrame.length).equals(snappyFrame)) return snappyDecompress(body);
  const blocks: Buffer[] = [];
  for (let at = snappyHeaderBytes; at < body.length; ) {
    const end = at + 4 + (at + 4 <= body.length ? body.readUInt32BE(at) : body.length);
    if (end > body.length) throw new RangeError('a block of Snappy that ends too early');
    blocks.push(snappyDecompress(body.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}

/** Sound, but more than can be taken. */
export class BatchTooLargeError extends RangeError {}

function unpacked(
  unpack: (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer,
  body: Buffer,
): Buffer {
  const maxOutputLength = limits.kafkaUnpackedBytesMax;
  try {
    return unpack(body, { maxOutputLength });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw new BatchTooLargeError(`a record batch that unpacks to more than ${maxOutputLength} bytes`, { cause: error });
  }
}
