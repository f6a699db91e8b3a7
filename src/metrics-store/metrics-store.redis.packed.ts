import type { Counters } from './counters.ts';

/**
 * Counters as one string of Redis: 48 bits each, big-endian, as BITFIELD counts them (u48). Exact to 2^48, which a step
 * never reaches, and all time would at a million events a second in nine years. A type costs 6 bytes a step; as a field of a
 * hash it would cost about 90.
 */
export const counterBytes = 6;

export function pack(values: ArrayLike<number>): Buffer {
  const packed = Buffer.alloc(values.length * counterBytes);
  for (let index = 0; index < values.length; index += 1) {
    if (values[index] !== 0) packed.writeUIntBE(values[index]!, index * counterBytes, counterBytes);
  }
  return packed;
}

export function unpack(packed: Buffer): Float64Array {
  const values = new Float64Array(Math.floor(packed.length / counterBytes));
  for (let index = 0; index < values.length; index += 1) {
    const at = index * counterBytes;
    // As readUIntBE does it, without its checks: a reader that starts has millions of these.
    const high = packed[at]! * 256 + packed[at + 1]!;
    const low = packed[at + 2]! * 0x1000000 + packed[at + 3]! * 0x10000 + packed[at + 4]! * 256 + packed[at + 5]!;
    values[index] = high * 0x100000000 + low;
  }
  return values;
}

/** The counts and latencies of a step share a string: these first, then one counter for every bucket. */
export const stepFields = { stored: 0, duplicate: 1, failed: 2, clockSkewed: 3 } as const;
export const latenciesFrom = 4;

/** The totals of a type stand together. */
export const totalFields = { stored: 0, duplicate: 1, failed: 2 } as const;
export const totalsPerType = 3;

/** Takes counters out of a longer row: from `first`, every `stride`-th. */
export function pick(values: Float64Array, first: number, stride: number): Counters {
  const picked = new Float64Array(Math.max(0, Math.ceil((values.length - first) / stride)));
  for (let index = 0; index < picked.length; index += 1) picked[index] = values[first + index * stride]!;
  return { values: picked };
}
