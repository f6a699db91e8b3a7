import { decodeBoundaries } from './boundaries.ts';
import type { SegmentChunks } from './chunks.ts';
import { type BatchHeader, decodeGroupHeader, groupHeaderBytes, type SegmentHeader, visitBatches } from './format.ts';
import { findLaterGroup } from './walk.ts';

/** What is in one segment: its sound batches, by partition and in order, and where there is something else. */
export interface SegmentContents {
  readonly batches: readonly PartitionBatches[];
  readonly damages: Damage[];
  /** So many of its bytes were looked at. */
  bytes: number;
  /** The group that begins there has this number, or a later one. */
  sequence: number;
}

export interface PartitionBatches {
  readonly bases: number[];
  /** One past the last offset of each. */
  readonly ends: number[];
  readonly places: number[];
}

export interface Damage {
  readonly at: number;
  /** What it says of itself, where its length can be believed. */
  readonly told: BatchHeader | null;
}

export function emptyContents({ groupsAt, sequence, ends }: SegmentHeader): SegmentContents {
  return {
    batches: ends.map(() => ({ bases: [], ends: [], places: [] })),
    damages: [],
    bytes: groupsAt,
    sequence,
  };
}

/**
 * Learns what is in the segment up to `bytes`, all of which is durable: so whatever is no sound group there was one.
 *
 * @returns false where the segment is gone
 */
export function learnContents(
  contents: SegmentContents,
  chunks: SegmentChunks,
  segment: SegmentHeader,
  bytes: number,
): boolean {
  while (contents.bytes < bytes) {
    const at = contents.bytes;
    const found = findGroup(contents, chunks, segment, bytes);
    if (found === null) return false;
    const group = chunks.read(segment.number, at, found.end - at, bytes)?.subarray(0, found.end - at);
    if (group === undefined) return false;
    if (found.holdsRecords ?? decodeBoundaries(group, segment.ends.length) === null) addGroup(contents, group, at);
    contents.bytes = found.end;
    contents.sequence = found.nextSequence;
  }
  return true;
}

interface Found {
  readonly end: number;
  readonly nextSequence: number;
  /** Null where its header does not say. */
  readonly holdsRecords: boolean | null;
}

/**
 * What begins where the contents end: a group, or, up to the next one, what is left of some. Null where the segment is
 * gone.
 */
function findGroup(
  { bytes: at, sequence }: SegmentContents,
  chunks: SegmentChunks,
  segment: SegmentHeader,
  bytes: number,
): Found | null {
  const head = chunks.read(segment.number, at, Math.min(groupHeaderBytes, bytes - at), bytes);
  if (head === null) return null;
  const header = decodeGroupHeader(head, 0, segment.salt);
  const end = at + (header?.bytes ?? 0);
  if (header !== null && header.bytes >= groupHeaderBytes && header.sequence >= sequence && end <= bytes) {
    return { end, nextSequence: header.sequence + 1, holdsRecords: header.batches > 0 };
  }
  const rest = chunks.read(segment.number, at, bytes - at, bytes)?.subarray(0, bytes - at);
  if (rest === undefined) return null;
  const later = findLaterGroup(rest, 1, segment, sequence);
  if (later === null) return { end: bytes, nextSequence: sequence + 1, holdsRecords: null };
  return { end: at + later.at, nextSequence: later.header.sequence, holdsRecords: null };
}

function addGroup({ batches, damages }: SegmentContents, group: Buffer, groupAt: number): void {
  visitBatches(group, {
    onBatch({ partition, base, count }, at) {
      const known = batches[partition];
      if (known === undefined || base < (known.ends.at(-1) ?? 0)) return;
      known.bases.push(base);
      known.ends.push(base + count);
      known.places.push(groupAt + at);
    },
    onDamage(at, _, told) {
      damages.push({ at: groupAt + at, told });
    },
  });
}
