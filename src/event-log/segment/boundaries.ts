import { crc32 } from 'node:zlib';
import {
  type GroupPlace,
  groupHeaderBytes,
  lengthBytes,
  offsetBytes,
  pageBytes,
  readOffsets,
  writeGroupHeader,
  writeOffsets,
} from './format.ts';

export interface PartitionBoundaries {
  readonly starts: readonly number[];
  /** Null in what a first version wrote. */
  readonly ends: readonly number[] | null;
}

/**
 * The group that tells where the partitions start from now on, and where they end: what lies in front of it may rot,
 * and is counted all the same.
 */
export function encodeBoundaries(
  starts: readonly number[],
  ends: readonly number[],
  { salt, sequence }: GroupPlace,
  paddingBytes = 0,
): Buffer {
  const at = groupHeaderBytes + lengthBytes;
  const bytes = Buffer.alloc(boundariesBytes(starts.length) + paddingBytes);
  writeOffsets(bytes, at, starts);
  writeOffsets(bytes, at + starts.length * offsetBytes, ends);
  bytes.writeUInt32BE(crc32(bytes.subarray(at)), groupHeaderBytes);
  writeGroupHeader(bytes, { bytes: bytes.length, sequence, batches: 0 }, salt);
  return bytes;
}

export function boundariesBytes(partitions: number): number {
  return groupHeaderBytes + lengthBytes + partitions * 2 * offsetBytes;
}

/** So many more, and what is written behind a group that ends there begins on another page. */
export function bytesToNextPage(end: number): number {
  return (pageBytes - (end % pageBytes)) % pageBytes;
}

/**
 * @param group a whole group without batches; its header need not be sound. Null where it is damaged, or another one.
 */
export function decodeBoundaries(group: Buffer, partitions: number): PartitionBoundaries | null {
  const body = group.subarray(groupHeaderBytes + lengthBytes);
  const listBytes = partitions * offsetBytes;
  const hasEnds = body.length >= 2 * listBytes;
  if (!hasEnds && body.length !== listBytes) return null;
  if (crc32(body) !== group.readUInt32BE(groupHeaderBytes)) return null;
  return {
    starts: readOffsets(body, 0, partitions),
    ends: hasEnds ? readOffsets(body, listBytes, partitions) : null,
  };
}
