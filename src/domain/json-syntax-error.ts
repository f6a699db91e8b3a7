/** Where a text stops being JSON. */
export interface JsonSyntaxError {
  readonly message: string;
  readonly at: number;
}

/** What stands at a place where something else should. */
export function expectedAt(text: string, at: number, end: number, expected: string): JsonSyntaxError {
  const found = at >= end ? 'the text ends' : `found ${shown(text.codePointAt(at)!)}`;
  return { message: `expected ${expected}, ${found}`, at };
}

function shown(codePoint: number): string {
  const character = String.fromCodePoint(codePoint);
  return /[\p{C}\p{Z}]/u.test(character)
    ? `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`
    : `"${character}"`;
}
