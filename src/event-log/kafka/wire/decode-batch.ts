import { attributesAt, batchHeaderBytes, checksum, crcAt, lengthAt, magicKnown } from './encode-batch.ts';
import { unpack } from './unpack.ts';

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
 * The batches of a fetch, one behind another; a last one that was cut off is left out, as the broker sends it. Copies
 * nothing.
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
 * Goes through the records of a batch, in order. It is itself the record that it stands at: a worker reads a hundred
 * thousand a second, and an object for each takes more than reading it.
 */
export class RecordCursor {
  offset = -1;
  /** As the topic has it: when the broker took it, or what the producer said. */
  timestamp = 0;
  /** All of the record, in the batch. */
  recordBytes = 0;
  /** −1: it has none. */
  valueBytes = -1;
  /** Where the value stands in `bytes`. */
  valueAt = 0;
  /** What the records stand in. Not the batch: one that was packed would hold the whole answer that it came in. */
  readonly bytes: Buffer;
  readonly #count: number;
  readonly #baseOffset: number;
  readonly #firstTimestamp: number;
  /** Whoever the topic lets set the time has set it for the whole batch. */
  readonly #brokerTime: number | null;
  #at = 0;
  #left: number;
  #keyAt = 0;
  #keyBytes = -1;

  constructor(batch: KafkaBatch) {
    this.bytes = bodyOf(batch);
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
    this.valueAt = this.#at;
    if (this.valueBytes > 0) this.#at += this.valueBytes;
    if (length < 0 || this.#at > end || end > this.bytes.length) throw new RangeError('a record that ends too early');
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

  /** A view of the batch. */
  key(): Buffer | null {
    return this.#keyBytes < 0 ? null : this.bytes.subarray(this.#keyAt, this.#keyAt + this.#keyBytes);
  }

  /** By multiplication, as timestamps are longer than the 32 bits of JavaScript's bit operations. */
  #number(): number {
    let byte = this.bytes[this.#at++];
    if (byte === undefined) throw new RangeError('a number that ends too early');
    let value = byte & 0x7f;
    for (let factor = 128; byte > 0x7f; factor *= 128) {
      byte = this.bytes[this.#at++];
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

/** Whether its records stand in memory of their own once it is read. */
export function isPacked({ attributes }: KafkaBatch): boolean {
  return (attributes & compressionMask) !== 0;
}

function bodyOf({ attributes, body }: KafkaBatch): Buffer {
  const compression = attributes & compressionMask;
  return compression === 0 ? body : unpack(body, compression);
}
