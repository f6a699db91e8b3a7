/** Text of the bytes, with U+FFFD wherever they are not UTF-8. A byte order mark stays. */
export function utf8Text(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return asBuffer(bytes).toString('utf8', start, end);
}

/** Text of bytes that are known to be ASCII. */
export function latin1Text(bytes: Uint8Array, start: number, end: number): string {
  return asBuffer(bytes).toString('latin1', start, end);
}

/** ASCII up to this length is faster copied by hand than handed to the encoder. */
const shortTextUnits = 48;

/** @returns the position after it */
export function writeUtf8(text: string, target: Buffer, start: number): number {
  if (text.length > shortTextUnits) return start + target.write(text, start);
  for (let nth = 0; nth < text.length; nth += 1) {
    const unit = text.charCodeAt(nth);
    if (unit > 0x7f) return start + target.write(text, start);
    target[start + nth] = unit;
  }
  return start + text.length;
}

/** Index of the first byte that is not UTF-8, of bytes that are not. */
export function invalidUtf8At(bytes: Uint8Array): number {
  // The longest prefix that could still go on to be valid: a stream decoder does not mind a sequence that is cut off.
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1;
    if (couldGoOn(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  if (bad <= bytes.length) return bad - 1;
  // All of it could go on, so its last character is cut off: back to that one's first byte.
  let at = bytes.length - 1;
  while (at > 0 && (bytes[at]! & 0xc0) === 0x80) at -= 1;
  return at;
}

function couldGoOn(prefix: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(prefix, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** The same bytes, not a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
