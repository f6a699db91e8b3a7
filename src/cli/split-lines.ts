export interface InputLine {
  /** From 1, blank lines counted. */
  readonly number: number;
  /** The number is the event's place in a JSON document, not a line. */
  readonly isOfDocument?: true;
  /** Without its line end. Null: longer than allowed, and skipped. */
  readonly bytes: Uint8Array | null;
}

const newline = 0x0a;

/** Splits a stream of bytes into lines and skips blank ones. Never holds more than one chunk and one line. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, lineBytesMax: number): AsyncGenerator<InputLine> {
  let number = 0;
  let parts: Uint8Array[] = [];
  let length = 0;

  function take(): InputLine | null {
    number += 1;
    const tooLong = length > lineBytesMax;
    const bytes = tooLong ? null : trimLine(Buffer.concat(parts));
    parts = [];
    length = 0;
    return tooLong || bytes!.length > 0 ? { number, bytes } : null;
  }

  function add(part: Uint8Array): void {
    length += part.length;
    if (length <= lineBytesMax) parts.push(part);
    else parts = [];
  }

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      const line = take();
      if (line) yield line;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (length > 0) {
    const line = take();
    if (line) yield line;
  }
}

/** Blanks at either end of a line say nothing, and a file from Windows ends its lines with a carriage return. */
function trimLine(line: Uint8Array): Uint8Array {
  let start = 0;
  let end = line.length;
  while (start < end && isBlank(line[start]!)) start += 1;
  while (end > start && isBlank(line[end - 1]!)) end -= 1;
  return line.subarray(start, end);
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}
