import { createJsonScanner, skipSpace } from '../domain/json-scan.ts';
import { lineAndColumn } from '../domain/json-text.ts';
import { limits } from '../domain/limits.ts';
import { CommandError } from './context.ts';
import { type InputLine, splitLines } from './split-lines.ts';

export const inputFormats = ['auto', 'json', 'ndjson'] as const;
export type InputFormat = (typeof inputFormats)[number];

/** A JSON document is held whole; NDJSON is the way for anything larger. */
const documentBytesMax = 256 * 1024 * 1024;
/** A longer line is more than any request may hold. */
const lineBytesMax = limits.requestBytesMax;

const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const carriageReturn = 0x0d;
const newline = 0x0a;
const space = 0x20;
const lineEnd = Buffer.of(newline);

/**
 * Events of a file as lines of NDJSON, each with where it stood: its line, or in a JSON document its place, from 1.
 * NDJSON is streamed. The text of an event is passed on as it is, digit for digit.
 */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>, format: InputFormat): AsyncGenerator<InputLine> {
  const input = await peek(withoutByteOrderMark(chunks));
  if (format === 'json' || (format === 'auto' && input.firstByte === 0x5b)) {
    yield* documentEvents(await collect(input.chunks));
    return;
  }
  const lines = splitLines(input.chunks, lineBytesMax);
  if (format === 'ndjson') {
    yield* lines;
    return;
  }

  // A first line that is JSON by itself makes it NDJSON. Else it may be objects over several lines; and if it isn't
  // that either, it is NDJSON with bad lines, which the server will name.
  const head: InputLine[] = [];
  let headBytes = 0;
  // Not `for await`, which would end the lines where it is left.
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    head.push(next.value);
    headBytes += next.value.bytes?.length ?? lineBytesMax;
    const isFirst = head.length === 1;
    if (headBytes >= lineBytesMax || (isFirst && isDocument(next.value.bytes!))) break;
  }
  const document = Buffer.concat(head.flatMap(({ bytes }) => [bytes ?? new Uint8Array(), lineEnd]));
  if (head.length > 1 && isDocument(document)) {
    yield* documentEvents(document);
    return;
  }
  yield* head;
  yield* lines;
}

/** One value after another; the items of an array at the top are events of their own. */
function* documentEvents(json: Uint8Array): Generator<InputLine> {
  const scanner = createJsonScanner();
  let number = 0;
  let at = skipSpace(json, 0, json.length);
  while (at < json.length) {
    const end = scanner.value(json, at, json.length);
    if (end === -1) {
      const { line, column } = lineAndColumn(json, scanner.syntaxError.at);
      throw new CommandError(
        `the input is not valid JSON: ${scanner.syntaxError.message} (line ${line}, column ${column}); nothing after that was sent`,
      );
    }
    if (json[at] === openBracket) {
      let item = skipSpace(json, at + 1, end);
      while (json[item] !== closeBracket) {
        const itemEnd = scanner.value(json, item, end);
        yield { number: ++number, isOfDocument: true, bytes: oneLine(json, item, itemEnd) };
        item = skipSpace(json, itemEnd, end);
        if (json[item] === comma) item = skipSpace(json, item + 1, end);
      }
    } else {
      yield { number: ++number, isOfDocument: true, bytes: oneLine(json, at, end) };
    }
    at = skipSpace(json, end, json.length);
  }
}

function isDocument(json: Uint8Array): boolean {
  const scanner = createJsonScanner();
  let at = skipSpace(json, 0, json.length);
  while (at !== -1 && at < json.length) {
    at = scanner.value(json, at, json.length);
    if (at !== -1) at = skipSpace(json, at, json.length);
  }
  return at !== -1;
}

/** In JSON, line ends stand only between tokens, where a space means the same. */
function oneLine(json: Uint8Array, start: number, end: number): Uint8Array {
  return json.subarray(start, end).map((byte) => (byte === carriageReturn || byte === newline ? space : byte));
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    length += chunk.length;
    if (length > documentBytesMax) {
      throw new CommandError(
        `a JSON document of more than ${documentBytesMax / 1024 / 1024} MiB; NDJSON is streamed and may be of any size: ` +
          `jq -c '.[]' events.json | esp send`,
      );
    }
  }
  return Buffer.concat(parts);
}

/** The first byte that is not a blank, and the whole input all the same. */
async function peek(chunks: AsyncIterable<Uint8Array>) {
  const iterator = chunks[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let firstByte: number | undefined;
  while (firstByte === undefined) {
    const next = await iterator.next();
    if (next.done) break;
    seen.push(next.value);
    firstByte = next.value.find((byte) => byte > 0x20);
  }
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield* seen;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  return { firstByte, chunks: whole() };
}

async function* withoutByteOrderMark(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const chunk of chunks) {
    const marked = first && chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf;
    first = false;
    yield marked ? chunk.subarray(3) : chunk;
  }
}
