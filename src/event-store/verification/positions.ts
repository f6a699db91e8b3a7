import type { Position } from '../../domain/event.ts';

/** Offsets of one block: 8 KiB of bits. */
const blockOffsets = 65_536;

/**
 * A set of positions, one bit each: a hundred million rows take 12 MiB, however the offsets are scattered over batches.
 */
export function createPositions() {
  const blocks = new Map<string, Uint8Array>();

  /** @returns whether it was not there yet. */
  function add({ logNo, partition, offset }: Position): boolean {
    const key = `${logNo}:${partition}:${Math.floor(offset / blockOffsets)}`;
    let block = blocks.get(key);
    if (block === undefined) blocks.set(key, (block = new Uint8Array(blockOffsets / 8)));
    const bit = ((offset % blockOffsets) + blockOffsets) % blockOffsets;
    const mask = 1 << (bit & 7);
    const before = block[bit >> 3]!;
    block[bit >> 3] = before | mask;
    return (before & mask) === 0;
  }

  return { add };
}
