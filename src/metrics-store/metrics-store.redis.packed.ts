/**
 * Counters as one string of Redis: each a varint (LEB128: 7 bits a byte, the lowest first), a run of zeros as 0 and its
 * length, zeros at the end left out. Exact to 2^53. A type costs 1 to 3 bytes a step where a field of a hash costs about 90,
 * and a histogram a few hundred bytes.
 */
export function pack(values: ArrayLike<number>): Buffer {
  let packed = Buffer.allocUnsafe(64);
  let at = 0;
  let zeros = 0;

  function put(value: number): void {
    if (at + varintBytesMax > packed.length) {
      const grown = Buffer.allocUnsafe(packed.length * 2);
      packed.copy(grown, 0, 0, at);
      packed = grown;
    }
    let rest = value;
    while (rest >= 128) {
      packed[at++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    packed[at++] = rest;
  }

  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!;
    if (value === 0) {
      zeros += 1;
      continue;
    }
    if (zeros > 0) {
      put(0);
      put(zeros);
      zeros = 0;
    }
    put(value);
  }
  return packed.subarray(0, at);
}

export function unpack(packed: Uint8Array): Float64Array {
  let values = new Float64Array(Math.max(16, packed.length));
  let length = 0;
  let at = 0;

  function next(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = packed[at++] ?? 0;
      if (byte < 128) return value + byte * scale;
      value += (byte - 128) * scale;
      scale *= 128;
    }
  }

  while (at < packed.length) {
    const value = next();
    const step = value === 0 ? Math.min(next(), countersMax) : 1;
    if (length + step > values.length) {
      const grown = new Float64Array((length + step) * 2);
      grown.set(values);
      values = grown;
    }
    if (value !== 0) values[length] = value;
    length += step;
  }
  return values.slice(0, length);
}

/** Of a number up to 2^53. */
const varintBytesMax = 8;
/** More types or buckets than there can be: what somebody else has written must not take all memory. */
const countersMax = 1_000_000;
