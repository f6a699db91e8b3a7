import { utf8Text } from './utf8.ts';

/** Where a text stops being JSON. */
export interface JsonSyntaxError {
  readonly message: string;
  /** Index of the byte. */
  readonly at: number;
}

/** Of UTF-8. */
const characterBytesMax = 4;

/** What stands at a place where something else should. */
export function expectedAt(json: Uint8Array, at: number, end: number, expected: string): JsonSyntaxError {
  const found =
    at >= end
      ? 'the text ends'
      : `found ${shown(utf8Text(json, at, Math.min(end, at + characterBytesMax)).codePointAt(0)!)}`;
  return { message: `expected ${expected}, ${found}`, at };
}

function shown(codePoint: number): string {
  const character = String.fromCodePoint(codePoint);
  return /[\p{C}\p{Z}]/u.test(character)
    ? `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`
    : `"${character}"`;
}
