import { describe, expect, it } from 'vitest';
import { splitLines } from './split-lines.ts';

async function split(
  chunks: readonly string[],
  lineBytesMax = 100,
): Promise<readonly (readonly [number, string | null])[]> {
  async function* input() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const lines: [number, string | null][] = [];
  for await (const { number, bytes } of splitLines(input(), lineBytesMax)) {
    lines.push([number, bytes === null ? null : Buffer.from(bytes).toString()]);
  }
  return lines;
}

describe('splitLines', () => {
  it('joins what chunks cut apart, wherever they cut', async () => {
    const text = '{"a":"ä"}\n{"b":2}\r\n\n  {"c":3}';
    const expected = [
      [1, '{"a":"ä"}'],
      [2, '{"b":2}'],
      [4, '{"c":3}'],
    ];
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      async function* input() {
        yield bytes.subarray(0, cut);
        yield bytes.subarray(cut);
      }
      const lines: unknown[] = [];
      for await (const { number, bytes } of splitLines(input(), 100))
        lines.push([number, Buffer.from(bytes!).toString()]);
      expect(lines).toEqual(expected);
    }
  });

  it('counts blank lines and skips them', async () => {
    expect(await split(['\n\n  \n', '1\n', '\n', '2'])).toEqual([
      [4, '1'],
      [6, '2'],
    ]);
  });

  it('names a line that is too long and goes on after it', async () => {
    expect(await split(['1\n', 'x'.repeat(60), 'x'.repeat(60), '\n2\n'])).toEqual([
      [1, '1'],
      [2, null],
      [3, '2'],
    ]);
  });

  it('takes a line that is exactly as long as allowed', async () => {
    expect(await split([`${'x'.repeat(100)}\n${'y'.repeat(101)}\n`])).toEqual([
      [1, 'x'.repeat(100)],
      [2, null],
    ]);
  });

  it('ends with nothing of nothing', async () => {
    expect(await split([])).toEqual([]);
    expect(await split([''])).toEqual([]);
  });
});
