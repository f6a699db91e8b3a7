import { statfs } from 'node:fs/promises';
import type { Telemetry } from '../../telemetry/telemetry.ts';

/** Watches the free space of the file system a directory lies on. */
export interface FreeDisk {
  isFull(): boolean;
  freeBytes(): number;
  stop(): void;
}

/** Reads once before it resolves, then every `everyMs`. */
export async function watchFreeDisk(options: {
  readonly path: string;
  readonly floorBytes: number;
  readonly everyMs: number;
  readonly telemetry: Telemetry;
}): Promise<FreeDisk> {
  const { path, floorBytes, telemetry } = options;
  let freeBytes = Number.POSITIVE_INFINITY;
  let isFull = false;

  async function look(): Promise<void> {
    const { bavail, bsize } = await statfs(path);
    freeBytes = bavail * bsize;
    const wasFull = isFull;
    isFull = freeBytes < floorBytes;
    if (isFull && !wasFull) telemetry.emit('disk.full', { freeBytes, floorBytes });
    if (!isFull && wasFull) telemetry.emit('disk.recovered', { freeBytes });
  }

  await look();
  const timer = setInterval(() => {
    // A directory that can't be asked about is no proof of a full disk: the append itself will tell.
    look().catch(() => undefined);
  }, options.everyMs);
  timer.unref();

  return { isFull: () => isFull, freeBytes: () => freeBytes, stop: () => clearInterval(timer) };
}
