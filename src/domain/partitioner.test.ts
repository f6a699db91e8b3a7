import { expect, test } from 'vitest';
import { murmur2, partitionOf } from './partitioner.ts';

// From org.apache.kafka.common.utils.UtilsTest.testMurmur2.
const vectors: [text: string, hash: number][] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test.each(vectors)("murmur2 of %s is Java's", (text, hash) => {
  expect(murmur2(new TextEncoder().encode(text))).toBe(hash);
});

test.each(vectors)('the partition of %s drops the sign bit, as Java does', (text, hash) => {
  expect(partitionOf(text, 8)).toBe(Number(BigInt.asUintN(31, BigInt(hash)) % 8n));
});

test('a key is hashed as UTF-8, whatever its length and alphabet', () => {
  for (const key of ['größe', '☃', '😀', 'k'.repeat(256), 'k'.repeat(257), `${'k'.repeat(300)}ä`]) {
    expect(partitionOf(key, 97)).toBe((murmur2(new TextEncoder().encode(key)) & 0x7fffffff) % 97);
  }
});

test('a short key after a long one does not see its bytes', () => {
  const before = partitionOf('ab', 97);
  partitionOf('zzzzzzzzzzzz', 97);
  expect(partitionOf('ab', 97)).toBe(before);
});
