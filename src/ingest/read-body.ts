import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import {
  type BrotliOptions,
  brotliDecompress,
  gunzip,
  inflate,
  inflateRaw,
  type ZlibOptions,
  zstdDecompress,
} from 'node:zlib';
import { asBuffer, invalidUtf8At } from '../domain/utf8.ts';
import type { Refusal } from './ingest-answer.ts';
import { refuse } from './refuse.ts';

/** The bytes of a request → those of its text. Whether that text is JSON is not judged here. */
export type BodyFormat = 'json' | 'ndjson';

export interface Body {
  readonly kind: 'body';
  /** UTF-8, without a byte order mark. */
  readonly bytes: Buffer;
  readonly format: BodyFormat;
}

const formats = new Map<string, BodyFormat>([
  ['application/json', 'json'],
  ['application/x-ndjson', 'ndjson'],
  ['application/jsonl', 'ndjson'],
]);
const formatsTaken =
  'send application/json (one event, or an array of them), or application/x-ndjson (also application/jsonl), one event a line';

export function readFormat(contentType: string | undefined): BodyFormat | Refusal {
  if (contentType === 'application/json') return 'json';
  if (contentType === undefined)
    return refuse('unsupported_media_type', `The request has no content-type: ${formatsTaken}.`);
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase());
  const format = formats.get(type);
  if (!format) return refuse('unsupported_media_type', `"${contentType}" is not taken: ${formatsTaken}.`);
  const charset = parameters
    .find((parameter) => parameter.startsWith('charset='))
    ?.slice(8)
    .replaceAll('"', '');
  if (charset === undefined || charset === 'utf-8' || charset === 'utf8') return format;
  return refuse('unsupported_media_type', `The charset "${charset}" is not taken: send UTF-8.`);
}

const byteOrderMark = Buffer.from('\ufeff');

/** JSON is UTF-8. A byte order mark at the very start, which some editors write, is skipped (RFC 8259 section 8.1). */
export function readUtf8(sent: Uint8Array, format: BodyFormat): Body | Refusal {
  if (!isUtf8(sent)) return refuse('invalid_encoding', `The body is not UTF-8 at byte ${invalidUtf8At(sent)}.`);
  const bytes = asBuffer(sent);
  const isMarked = byteOrderMark.every((byte, index) => bytes[index] === byte);
  return { kind: 'body', bytes: isMarked ? bytes.subarray(byteOrderMark.length) : bytes, format };
}

type Decompress = (bytes: Uint8Array, options: ZlibOptions & BrotliOptions) => Promise<Decompressed>;

/** What zlib answers with `info: true`. */
interface Decompressed {
  readonly buffer: Buffer;
  /** Named from zlib's side: bytes that it has taken in. */
  readonly engine: { readonly bytesWritten: number };
}

const decompressors = new Map<string, Decompress>([
  ['gzip', promisify(gunzip) as unknown as Decompress],
  ['x-gzip', promisify(gunzip) as unknown as Decompress],
  ['br', promisify(brotliDecompress) as unknown as Decompress],
  ['zstd', promisify(zstdDecompress) as unknown as Decompress],
  ['deflate', inflateEither],
]);

/** HTTP's deflate is zlib's format (RFC 1950), but clients have always sent bare deflate (RFC 1951) too. */
function inflateEither(bytes: Uint8Array, options: ZlibOptions): Promise<Decompressed> {
  const [first = 0, second = 0] = bytes;
  const hasZlibHeader = (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0;
  return (promisify(hasZlibHeader ? inflate : inflateRaw) as unknown as Decompress)(bytes, options);
}

/** What libuv's pool works on side by side; more at once would only hold more output in memory. */
const decompressionsMax = 4;

export interface Decompressor {
  /** Whether the header names nothing that has to be undone. */
  isIdentity(contentEncoding: string | undefined): boolean;
  decompress(bytes: Uint8Array, contentEncoding: string): Promise<Uint8Array | Refusal>;
}

/**
 * @param bytesMax of one body, decompressed
 * @param heldBytesMax of all that wait for their turn, compressed
 */
export function createDecompressor(bytesMax: number, heldBytesMax: number): Decompressor {
  let running = 0;
  let heldBytes = 0;
  const waiting: (() => void)[] = [];

  async function decompress(bytes: Uint8Array, contentEncoding: string): Promise<Uint8Array | Refusal> {
    const encoding = contentEncoding.trim().toLowerCase();
    const run = decompressors.get(encoding);
    if (!run) {
      const hint = encoding.includes(',') ? 'one encoding at a time' : 'identity, gzip, br, deflate or zstd';
      return refuse('unsupported_encoding', `The content-encoding "${contentEncoding}" is not taken: use ${hint}.`);
    }
    if (running < decompressionsMax) running += 1;
    else if (heldBytes + bytes.byteLength > heldBytesMax) {
      return refuse('queue_full', 'Too many compressed requests wait already. Nothing of this one was taken.');
    } else {
      heldBytes += bytes.byteLength;
      await new Promise<void>((resolve) => waiting.push(resolve));
      heldBytes -= bytes.byteLength;
    }
    try {
      const { buffer, engine } = await run(bytes, { maxOutputLength: bytesMax, info: true });
      const rest = bytes.byteLength - engine.bytesWritten;
      // zlib says nothing of bytes after the end, but they may be events.
      return rest === 0 ? buffer : refuse('invalid_encoding', `${rest} bytes follow the end of the ${encoding} data.`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(bytesMax);
      return refuse('invalid_encoding', `The body is not ${encoding}: ${(error as Error).message}.`);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  }

  return {
    isIdentity: (contentEncoding) =>
      contentEncoding === undefined || contentEncoding === '' || contentEncoding.trim().toLowerCase() === 'identity',
    decompress,
  };
}

export function tooLarge(bytesMax: number): Refusal {
  return refuse('body_too_large', `A request may have ${bytesMax} bytes, after decompression: send it in parts.`);
}
