import { RejectedByStoreError } from '../../domain/failure.ts';

/** UUIDs as PostgreSQL has them on the wire in its binary form. */
const uuidBytes = 16;
/** Where its pairs of digits stand in its text. */
const digitsAt = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/** @throws RejectedByStoreError where the text is none */
export function writeUuid(id: string, target: Uint8Array, start: number): void {
  if (id.length !== 36) refuseValue(id);
  let all = 0;
  for (let nth = 0; nth < uuidBytes; nth += 1) {
    const index = digitsAt[nth]!;
    const byte = (hexDigits[id.charCodeAt(index)]! << 4) | hexDigits[id.charCodeAt(index + 1)]!;
    all |= byte;
    target[start + nth] = byte;
  }
  const hasDashes = isDash(id, 8) && isDash(id, 13) && isDash(id, 18) && isDash(id, 23);
  if (all < 0 || !hasDashes) refuseValue(id);
}

const uuidOid = 2950;
const arrayHeadBytes = 20;

/**
 * An array of them as the value of a parameter: dimensions, whether there are nulls, the type of the elements; for the
 * one dimension its length and where it begins; and each element behind its length. Neither side makes a text of it.
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

/** Of every unit of a string: −1 is none, and makes whatever it is put together with negative. */
const hexDigits = new Int8Array(0x10000).fill(-1);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  hexDigits[digit.charCodeAt(0)] = value;
  hexDigits[digit.toUpperCase().charCodeAt(0)] = value;
}

function isDash(text: string, index: number): boolean {
  return text.charCodeAt(index) === 0x2d;
}
