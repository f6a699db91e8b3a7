import type { ScannedField } from './json-scan.ts';
import { stringAt } from './json-text.ts';

/**
 * Looks the keys of scanned fields up among the few names that an object may have: by length, and then by comparing in
 * place. A text of each key would have to be made and hashed.
 *
 * @returns a function that answers the place of a field's key among the names, or −1 of one that is none of them
 */
export function createKeyLookup(names: readonly string[]): (json: Uint8Array, field: ScannedField) => number {
  const bytes = names.map((name) => Buffer.from(name));
  const placesOfLength: number[][] = [];
  for (const [place, { length }] of bytes.entries()) (placesOfLength[length] ??= []).push(place);

  return (json, field) => {
    const { keyStart, keyEnd, keyEscaped } = field;
    if (keyEscaped) return names.indexOf(keyOf(json, field));
    for (const place of placesOfLength[keyEnd - keyStart - 2] ?? none) {
      if (standsAt(json, keyStart + 1, bytes[place]!)) return place;
    }
    return -1;
  };
}

const none: readonly number[] = [];

export function keyOf(json: Uint8Array, { keyStart, keyEnd, keyEscaped }: ScannedField): string {
  return stringAt(json, keyStart, keyEnd, keyEscaped);
}

export function standsAt(json: Uint8Array, start: number, bytes: Uint8Array): boolean {
  for (let nth = 0; nth < bytes.length; nth += 1) if (json[start + nth] !== bytes[nth]) return false;
  return true;
}
