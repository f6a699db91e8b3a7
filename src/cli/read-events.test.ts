import { describe, expect, it } from 'vitest';
import { type InputFormat, readEvents } from './read-events.ts';

async function read(text: string | Uint8Array, format: InputFormat = 'auto', chunkBytes = 7) {
  const bytes = Buffer.from(text as string);
  async function* input() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const events: (readonly [number, string | null])[] = [];
  for await (const { number, bytes } of readEvents(input(), format)) {
    events.push([number, bytes === null ? null : Buffer.from(bytes).toString()]);
  }
  return events;
}

describe('readEvents', () => {
  it('reads NDJSON line by line', async () => {
    expect(await read('{"a":1}\n\n{"b":2}\n')).toEqual([
      [1, '{"a":1}'],
      [3, '{"b":2}'],
    ]);
  });

  it('reads one object, on one line or on many', async () => {
    expect(await read('{"a":1}')).toEqual([[1, '{"a":1}']]);
    expect(await read('{\n  "a": [\n    1\n  ]\n}\n')).toEqual([[1, '{ "a": [ 1 ] }']]);
  });

  it('reads an array, on one line or on many, digit for digit', async () => {
    const expected = [
      [1, '{"n":12345678901234567890.10}'],
      [2, '{"n":-0}'],
    ];
    expect(await read('[{"n":12345678901234567890.10},{"n":-0}]')).toEqual(expected);
    expect(await read('\n [\n{"n":12345678901234567890.10}\n,\n{"n":-0}\n]\n')).toEqual(expected);
    expect(await read('[]')).toEqual([]);
  });

  it('reads objects over several lines, one after another', async () => {
    expect(await read('{\n"a":1\n}\n{\n"b":2\n}\n')).toEqual([
      [1, '{ "a":1 }'],
      [2, '{ "b":2 }'],
    ]);
  });

  it('passes bad lines of NDJSON on, with their numbers, for the server to name', async () => {
    expect(await read('{"a":1}\nnonsense\n{"b":2}\n')).toEqual([
      [1, '{"a":1}'],
      [2, 'nonsense'],
      [3, '{"b":2}'],
    ]);
    expect(await read('{"a":\n{"b":2}\n')).toEqual([
      [1, '{"a":'],
      [2, '{"b":2}'],
    ]);
  });

  it('leaves a byte order mark out', async () => {
    expect(await read('\ufeff{"a":1}\n{"b":2}')).toEqual([
      [1, '{"a":1}'],
      [2, '{"b":2}'],
    ]);
    expect(await read('\ufeff[{"a":1}]')).toEqual([[1, '{"a":1}']]);
  });

  it('passes bytes that are no UTF-8 on as they are', async () => {
    const bytes = Buffer.concat([Buffer.from('{"a":1}\n{"b":"'), Buffer.from([0xff]), Buffer.from('"}\n')]);
    async function* input() {
      yield bytes;
    }
    const lines: Uint8Array[] = [];
    for await (const line of readEvents(input(), 'auto')) lines.push(line.bytes!);
    expect(lines[1]).toContain(0xff);
  });

  it('says where a document is not valid JSON', async () => {
    await expect(read('[{"a":1},\n{"a":}]')).rejects.toThrow(/not valid JSON.*line 2, column 6/);
    await expect(read('{"a":1', 'json')).rejects.toThrow(/not valid JSON/);
  });

  it('reads as it is told to', async () => {
    expect(await read('[1]\n[2]', 'ndjson')).toEqual([
      [1, '[1]'],
      [2, '[2]'],
    ]);
    expect(await read('{"a":1}\n{"b":2}', 'json')).toEqual([
      [1, '{"a":1}'],
      [2, '{"b":2}'],
    ]);
  });

  it('reads nothing of nothing', async () => {
    expect(await read('')).toEqual([]);
    expect(await read(' \n \n')).toEqual([]);
  });
});
