import { decodeGroupHeader, findGroupMagic, type GroupHeader, groupHeaderBytes, type SegmentHeader } from './format.ts';

/** The group with this number that begins at `at` and ends within the bytes; null where none does. */
export function groupAt(bytes: Buffer, at: number, { salt }: SegmentHeader, sequence: number): GroupHeader | null {
  const header = decodeGroupHeader(bytes, at, salt);
  if (header === null || header.sequence !== sequence || header.bytes < groupHeaderBytes) return null;
  return at + header.bytes <= bytes.length ? header : null;
}

export interface FoundGroup {
  readonly at: number;
  readonly header: GroupHeader;
}

/**
 * The first group from `from` on that was written after the one numbered `sequence`. No client can have made what is
 * found: a group's header carries the segment's salt, and a number that its turn has come for.
 */
export function findLaterGroup(
  bytes: Buffer,
  from: number,
  { salt }: SegmentHeader,
  sequence: number,
): FoundGroup | null {
  for (let at = findGroupMagic(bytes, from); at >= 0; at = findGroupMagic(bytes, at + 1)) {
    const header = decodeGroupHeader(bytes, at, salt);
    if (header !== null && header.sequence > sequence) return { at, header };
  }
  return null;
}
