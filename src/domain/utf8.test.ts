import { isUtf8 } from 'node:buffer';
import { expect, test } from 'vitest';
import { invalidUtf8At, utf8Text } from './utf8.ts';

test.each(['', 'abc', 'ä☃😀', '\ufffd is a character too', '\ufeffbom'])('"%s" is UTF-8', (text) => {
  const bytes = new TextEncoder().encode(text);
  expect(isUtf8(bytes)).toBe(true);
  expect(utf8Text(bytes)).toBe(text);
  // Views into larger buffers, as logs hand them out.
  expect(utf8Text(new Uint8Array([0xff, ...bytes, 0xff]).subarray(1, bytes.length + 1))).toBe(text);
});

test.each([
  ['a lone continuation byte', [0x61, 0x80, 0x61], 1],
  ['a byte that never occurs', [0x61, 0x62, 0xff], 2],
  ['an overlong form', [0xc0, 0x80], 0],
  ['a surrogate', [0x61, 0xed, 0xa0, 0x80], 2],
  ['a character that is cut off by the end', [0x61, 0xf0, 0x9f, 0x98], 1],
  ['a character that is cut off by another', [0xe2, 0x98, 0x61], 2],
])('%s is not', (_name, bytes, at) => {
  expect(isUtf8(new Uint8Array(bytes))).toBe(false);
  expect(invalidUtf8At(new Uint8Array(bytes))).toBe(at);
});

test('the first broken byte of megabytes is found', () => {
  const bytes = new Uint8Array(4_000_000).fill(0x61);
  bytes[3_333_333] = 0xff;
  expect(invalidUtf8At(bytes)).toBe(3_333_333);
});
