import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { lz4Decompress, snappyDecompress } from '@platformatic/wasm-utils';
import { limits } from '../../../domain/limits.ts';

/** Kafka's numbers of the ways in which the records of a batch may be packed. */
const gzip = 1;
const snappy = 2;
const lz4 = 3;
const zstd = 4;

/** Sound, but more than can be taken. */
export class BatchTooLargeError extends RangeError {
  constructor(options?: ErrorOptions) {
    super(`a record batch that unpacks to more than ${limits.kafkaUnpackedBytesMax} bytes`, options);
  }
}

/**
 * Each of the four may make so much of a batch that it would end the process, again and again: what comes out is
 * bounded before it is made, or while it is.
 * @throws BatchTooLargeError, or another RangeError or Error where the bytes are not packed so
 */
export function unpack(body: Buffer, compression: number): Buffer {
  switch (compression) {
    case gzip:
      return bounded(gunzipSync, body);
    case zstd:
      return bounded(zstdDecompressSync, body);
    case snappy:
      return unpackSnappy(body);
    case lz4:
      assertRoom(lz4BytesMax(body));
      return lz4Decompress(body);
    default:
      throw new RangeError(`a record batch compressed in a way that is not known (${compression})`);
  }
}

function bounded(
  decompress: (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer,
  body: Buffer,
): Buffer {
  try {
    return decompress(body, { maxOutputLength: limits.kafkaUnpackedBytesMax });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw new BatchTooLargeError({ cause: error });
  }
}

function assertRoom(bytes: number): void {
  if (bytes > limits.kafkaUnpackedBytesMax) throw new BatchTooLargeError();
}

/**
 * As Java's library frames it: a header of 16 bytes that begins so, then blocks, each behind its length. Others send
 * one block bare.
 */
const javaFrame = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const javaHeaderBytes = 16;
const tooShort = () => new RangeError('packed records that end too early');

function unpackSnappy(body: Buffer): Buffer {
  const isFramed = body.subarray(0, javaFrame.length).equals(javaFrame);
  const blocks = isFramed ? snappyBlocks(body) : [body];
  assertRoom(blocks.reduce((sum, block) => sum + snappyBytes(block), 0));
  return Buffer.concat(blocks.map((block) => snappyDecompress(block)));
}

function snappyBlocks(body: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = javaHeaderBytes; at < body.length; ) {
    if (at + 4 > body.length) throw tooShort();
    const end = at + 4 + body.readUInt32BE(at);
    if (end > body.length) throw tooShort();
    blocks.push(body.subarray(at + 4, end));
    at = end;
  }
  return blocks;
}

/** A block begins with how much it holds, seven bits a byte, the lowest first. */
function snappyBytes(block: Buffer): number {
  let bytes = 0;
  for (let nth = 0; nth < 5; nth += 1) {
    const byte = block[nth];
    if (byte === undefined) break;
    bytes += (byte & 0x7f) * 2 ** (7 * nth);
    if (byte < 0x80) return bytes;
  }
  throw tooShort();
}

/**
 * At most what the frame's blocks hold when all are full ("LZ4 Frame Format Description"): magic, flags, a byte with
 * the size of a block, the content's size and a dictionary's id where flags say so, a checksum; then blocks behind
 * their lengths, and an end of zeros.
 */
function lz4BytesMax(body: Buffer): number {
  const flags = body[4] ?? 0;
  const blockBytesMax = 2 ** (8 + 2 * (((body[5] ?? 0) >> 4) & 0b111));
  const blockTrailerBytes = (flags & 0b1_0000) === 0 ? 0 : 4;
  let at = 7 + ((flags & 0b1000) === 0 ? 0 : 8) + ((flags & 1) === 0 ? 0 : 4);
  let blocks = 0;
  while (at + 4 <= body.length) {
    const length = body.readUInt32LE(at) & 0x7fffffff;
    if (length === 0) break;
    blocks += 1;
    at += 4 + length + blockTrailerBytes;
  }
  return blocks * blockBytesMax;
}
