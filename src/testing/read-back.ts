import { expect } from 'vitest';
import { ByteReader, type Codec, encode } from '../event-log/kafka/protocol/codec.ts';

/** What is read of the bytes that the value is written as: of all of them. */
export function readBack<Value>(codec: Codec<Value>, value: Value): Value {
  const reader = new ByteReader(encode(codec, value));
  const read = codec.read(reader);
  expect(reader.left).toBe(0);
  return read;
}
