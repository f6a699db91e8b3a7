/**
 * Keyset cursors: where a page ended, as the time it is ordered by and what tells rows of one time apart. Opaque to
 * clients; the kind keeps one list's cursor from being taken for another's.
 */
export interface PageKey {
  readonly at: number;
  readonly tie: string;
}

export function encodeCursor(kind: string, { at, tie }: PageKey): string {
  return Buffer.from(`${kind}:${at}:${tie}`).toString('base64url');
}

/** @throws RangeError where it is not one that `encodeCursor` made for this kind. */
export function decodeCursor(kind: string, cursor: string): PageKey {
  const text = Buffer.from(cursor, 'base64url').toString();
  const match = /^([a-z]+):(-?\d{1,16}):(.{1,300})$/s.exec(text);
  const key = match && match[1] === kind ? { at: Number(match[2]), tie: match[3]! } : null;
  // Decoding skips what is not base64url, so only the way back shows whether all of it was read.
  if (key === null || encodeCursor(kind, key) !== cursor) throw new RangeError('The cursor is not one of this list.');
  return key;
}
