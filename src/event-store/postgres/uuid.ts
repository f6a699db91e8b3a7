import { RejectedByStoreError } from '../../domain/failure.ts';

/** UUIDs and other bytes written as hexadecimal digits, as PostgreSQL has them on the wire in its binary form. */
const uuidBytes = 16;

/** @throws RejectedByStoreError where the text is none */
export function writeUuid(id: string, target: Uint8Array, start: number): void {
  if (id.length !== 36) refuseValue(id);
  let at = start;
  for (let index = 0; index < 36; index += 2) {
    if (id.charCodeAt(index) === 0x2d) index += 1;
    const byte = (hexDigit(id, index) << 4) | hexDigit(id, index + 1);
    if (byte < 0) refuseValue(id);
    target[at++] = byte;
  }
  if (at !== start + uuidBytes) refuseValue(id);
}

/** @returns the position after it. @throws RejectedByStoreError where the text is none */
export function writeHex(text: string, target: Uint8Array, start: number): number {
  let at = start;
  for (let index = 0; index < text.length; index += 2) {
    const byte = (hexDigit(text, index) << 4) | hexDigit(text, index + 1);
    if (byte < 0) refuseValue(text);
    target[at++] = byte;
  }
  return at;
}

const uuidOid = 2950;
const arrayHeadBytes = 20;

/**
 * An array of them as the value of a parameter: dimensions, whether there are nulls, the type of the elements; for the one
 * dimension its length and where it begins; and each element behind its length. Neither side
 * makes a text of it.
 */
export function uuidArray(ids: readonly string[]): Uint8Array {
  const array = Buffer.allocUnsafe(arrayHeadBytes + ids.length * (4 + uuidBytes));
  let at = 0;
  for (const value of [1, 0, uuidOid, ids.length, 1]) at = array.writeInt32BE(value, at);
  for (const id of ids) {
    at = array.writeInt32BE(uuidBytes, at);
    writeUuid(id, array, at);
    at += uuidBytes;
  }
  return array;
}

export function refuseValue(value: number | string): never {
  throw new RejectedByStoreError(
    `PostgreSQL: no column of the store can hold ${JSON.stringify(value)} where it stands.`,
  );
}

const hexDigits = new Int8Array(128).fill(-1);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  hexDigits[digit.charCodeAt(0)] = value;
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value;
}

function hexDigit(text: string, index: number): number {
  return hexDigits[text.charCodeAt(index)] ?? -1;
}
