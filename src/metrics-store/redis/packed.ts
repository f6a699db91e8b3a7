/**
 * Counters as one string of Redis: each a varint (LEB128: 7 bits a byte, the lowest first), a run of zeros as 0 and its
 * length, zeros at the end left out. Exact to 2^53. A type costs 1 to 3 bytes a step where a field of a hash costs
 * about 90, and a histogram a few hundred bytes.
 */
export function pack(values: ArrayLike<number>): Buffer {
  const { length } = values;
  // A run of zeros, two numbers, takes the place of one value at least; and one of them is a single byte.
  if (scratch.length < length * bytesPerValueMax) scratch = new Uint8Array(length * bytesPerValueMax * 2);
  const packed = scratch;
  let at = 0;
  let zeros = 0;
  for (let index = 0; index < length; index += 1) {
    const value = values[index]!;
    if (value === 0) {
      zeros += 1;
      continue;
    }
    if (zeros > 0) {
      packed[at++] = 0;
      at = putVarint(packed, at, zeros);
      zeros = 0;
    }
    at = putVarint(packed, at, value);
  }
  return Buffer.from(packed.subarray(0, at));
}

function putVarint(packed: Uint8Array, from: number, value: number): number {
  let at = from;
  let rest = value;
  // Past 31 bits by division: the operators on bits would cut it off.
  while (rest > 0x7fffffff) {
    packed[at++] = (rest % 128) + 128;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    packed[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  packed[at++] = rest;
  return at;
}

/** Where strings are put together: a batch packs a dozen of them. */
let scratch = new Uint8Array(16 * 1024);

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

/** Eight of a number up to 2^53, and the zero that begins a run. */
const bytesPerValueMax = 9;
/** More types or buckets than there can be: what somebody else has written must not take all memory. */
const countersMax = 1_000_000;
