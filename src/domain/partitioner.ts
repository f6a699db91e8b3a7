/**
 * Kafka's own rule for the partition of a key, as its Java client has it, so that both logs and every other producer that
 * uses the default partitioner agree. (The Node clients differ in what they do with the sign bit.)
 */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(utf8(key)) & 0x7fffffff) % partitions;
}

/**
 * MurmurHash2 with Kafka's seed, after org.apache.kafka.common.utils.Utils.murmur2.
 * @returns a signed 32-bit integer, as Java's
 */
export function murmur2(bytes: Uint8Array, length: number = bytes.length): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = length - whole;
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

function utf8(key: string): Uint8Array {
  const length = key.length;
  if (length > scratch.length) return encoder.encode(key);
  for (let i = 0; i < length; i++) {
    const code = key.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(key);
    scratch[i] = code;
  }
  return scratch.subarray(0, length);
}
