/**
 * Kafka's own rule for the partition of a key, as its Java client has it, so that both logs and every other producer
 * that uses the default partitioner agree. (The Node clients differ in what they do with the sign bit.)
 */
export function partitionOf(key: string, partitions: number): number {
  const length = copyAscii(key);
  const hash = length < 0 ? murmur2(encoder.encode(key)) : murmur2(scratch, length);
  return (hash & 0x7fffffff) % partitions;
}

/** The same of a key that stands somewhere as bytes. */
export function partitionOfBytes(bytes: Uint8Array, at: number, length: number, partitions: number): number {
  return (murmur2(bytes, length, at) & 0x7fffffff) % partitions;
}

/**
 * MurmurHash2 with Kafka's seed, after org.apache.kafka.common.utils.Utils.murmur2.
 * @returns a signed 32-bit integer, as Java's
 */
export function murmur2(bytes: Uint8Array, length: number = bytes.length, at = 0): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const whole = at + (length & ~3);
  for (let i = at; i < whole; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = at + length - whole;
  if (rest === 3) h ^= bytes[whole + 2]! << 16;
  if (rest >= 2) h ^= bytes[whole + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ bytes[whole]!, m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return h | 0;
}

/** Keys are mostly short ASCII: these bytes are reused, since encoding into a new array costs more than the hash. */
const scratch = new Uint8Array(256);
const encoder = new TextEncoder();

/** Puts the bytes of a key into `scratch`. @returns how many there are, or −1 for a key that is longer or not ASCII */
function copyAscii(key: string): number {
  const { length } = key;
  if (length > scratch.length) return -1;
  let all = 0;
  for (let index = 0; index < length; index++) {
    const code = key.charCodeAt(index);
    all |= code;
    scratch[index] = code;
  }
  return all > 0x7f ? -1 : length;
}
