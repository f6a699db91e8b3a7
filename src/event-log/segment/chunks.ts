import { openSync } from 'node:fs';
import { limits } from '../../domain/limits.ts';
import { closeAnyhow, readFully, segmentPath } from './files.ts';

/**
 * Reads of segments by one thread, in chunks that are kept for a while: the partitions lie side by side in a segment,
 * and what one of them has brought in serves the others.
 *
 * Reading is synchronous: it is nearly always the page cache that answers, and a turn through the thread pool for each
 * batch would cost several times the read.
 */
export interface SegmentChunks {
  /**
   * Bytes of a segment from `position` on, `length` of them at least.
   * @param limit how many bytes of the segment count: nothing behind them is read, since it may change
   * @returns null where the segment is gone
   */
  read(segment: number, position: number, length: number, limit: number): Buffer | null;
  /** What is read of this segment next comes from its file, opened anew. */
  forget(segment: number): void;
  /** Lets go of files and memory of segments before this one. */
  dropBefore(segment: number): void;
  close(): void;
}

interface Chunk {
  readonly segment: number;
  readonly from: number;
  readonly bytes: Buffer;
}

export function createSegmentChunks(directory: string): SegmentChunks {
  /** Newest last. */
  let chunks: Chunk[] = [];
  let keptBytes = 0;
  /** Least recently used first. */
  const files = new Map<number, number>();
  let usedSince = false;
  let timer: NodeJS.Timeout | null = null;

  function descriptorOf(segment: number): number | null {
    let descriptor = files.get(segment);
    files.delete(segment);
    try {
      descriptor ??= openSync(segmentPath(directory, segment), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    files.set(segment, descriptor);
    if (files.size > limits.logFilesOpenMax) closeFile(files.keys().next().value!);
    return descriptor;
  }

  function closeFile(segment: number): void {
    const descriptor = files.get(segment)!;
    files.delete(segment);
    closeAnyhow(descriptor);
  }

  function find(segment: number, position: number, length: number): Chunk | undefined {
    return chunks.findLast(
      (chunk) =>
        chunk.segment === segment && position >= chunk.from && position + length <= chunk.from + chunk.bytes.length,
    );
  }

  function keep(chunk: Chunk): void {
    chunks.push(chunk);
    keptBytes += chunk.bytes.length;
    while (chunks.length > 1 && (keptBytes > limits.logChunksBytesMax || chunks.length > chunksMax)) {
      keptBytes -= chunks.shift()!.bytes.length;
    }
  }

  function touch(): void {
    usedSince = true;
    timer ??= setInterval(dropIfIdle, limits.logChunksIdleMs).unref();
  }

  /** Files too: nothing would tell of it when a segment is trimmed, and its room on the disk would stay taken. */
  function dropIfIdle(): void {
    if (!usedSince) drop();
    usedSince = false;
  }

  function drop(): void {
    if (timer) clearInterval(timer);
    timer = null;
    chunks = [];
    keptBytes = 0;
    for (const open of [...files.keys()]) closeFile(open);
  }

  function forgetSegments(isMeant: (segment: number) => boolean): void {
    chunks = chunks.filter(({ segment }) => !isMeant(segment));
    keptBytes = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const open of [...files.keys()]) if (isMeant(open)) closeFile(open);
  }

  return {
    read(segment, position, length, limit) {
      touch();
      const kept = find(segment, position, length);
      if (kept !== undefined) return kept.bytes.subarray(position - kept.from);
      const descriptor = descriptorOf(segment);
      if (descriptor === null) return null;
      const wanted = Math.max(length, Math.min(limits.logChunkBytes, limit - position));
      const bytes = Buffer.allocUnsafeSlow(wanted);
      const got = readFully(descriptor, bytes, position);
      const chunk = { segment, from: position, bytes: bytes.subarray(0, got) };
      keep(chunk);
      return chunk.bytes;
    },
    forget(segment) {
      forgetSegments((other) => other === segment);
    },
    dropBefore(segment) {
      forgetSegments((other) => other < segment);
    },
    close: drop,
  };
}

/** They are looked through one by one. */
const chunksMax = 64;
