import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { StartupError, UnavailableError } from '../domain/failure.ts';
import { precheckFiles } from './event-log.lmdb.precheck.ts';
import { decodeRecordBatch, type RecordBatch } from './record-batch.ts';

/**
 * The file of the embedded log: one LMDB tree.
 *
 *   `meta`                              JSON: format, logId, partitions
 *   `ends`, `starts`                    an offset for each partition, 8 bytes big-endian
 *   partition (4 bytes), offset (8)     the record batch that begins there; the next one begins where it ends
 *
 * Every write is one transaction: LMDB writes the new pages, flushes them, then writes the page that makes them count
 * through a descriptor that flushes too. So what is visible is durable, and a torn write is never seen.
 */
export type LogDatabase = RootDatabase<Buffer, Buffer>;

export interface LogMeta {
  readonly format: number;
  readonly logId: string;
  readonly partitions: number;
}

export interface PlacedBatch extends RecordBatch {
  readonly base: number;
}

export const metaKey = Buffer.from('meta');
export const endsKey = Buffer.from('ends');
export const startsKey = Buffer.from('starts');
const formatKnown = 1;

/** Opens the file; all threads alike, as they share what the first one opened. */
export function openDatabase(path: string, mapBytes: number): LogDatabase {
  return open<Buffer, Buffer>({
    path,
    noSubdir: true,
    mapSize: mapBytes,
    maxDbs: 1,
    keyEncoding: 'binary',
    encoding: 'binary',
    compression: false,
    cache: false,
    // A commit would become visible before it is flushed, and be resolved so.
    overlappingSync: false,
    // Group commit is the caller's: what it hands over is one transaction, begun at once.
    commitDelay: 0,
    eventTurnBatching: false,
  });
}

/** Makes sure that the file is there, is this log, and is on disk as it is. Throws StartupError. */
export async function prepareLogFile(path: string, partitions: number, mapBytes: number): Promise<LogMeta> {
  let database: LogDatabase | undefined;
  try {
    precheckFiles(path);
    database = openDatabase(path, mapBytes);
    // After kill -9 the newest pages may be in the page cache only: nothing of them is published before they are on disk.
    flush(path);
    const meta = readMeta(database) ?? (await initialise(database, path, partitions));
    assertMeta(meta, path, partitions);
    return meta;
  } catch (error) {
    if (error instanceof StartupError) throw error;
    throw new StartupError(`${path} can't be opened as an event log: ${messageOf(error)}`, { cause: error });
  } finally {
    await database?.close();
  }
}

function flush(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function initialise(database: LogDatabase, path: string, partitions: number): Promise<LogMeta> {
  if (database.getKeysCount({ limit: 1 }) > 0) throw new Error('it is an LMDB file of something else');
  const meta: LogMeta = { format: formatKnown, logId: randomUUID(), partitions };
  await database.batch(() => {
    database.put(metaKey, Buffer.from(JSON.stringify(meta)));
    database.put(endsKey, encodeOffsets(new Array(partitions).fill(0)));
    database.put(startsKey, encodeOffsets(new Array(partitions).fill(0)));
  });
  // The file's name must outlive a power cut too.
  flush(dirname(path));
  return meta;
}

function readMeta(database: LogDatabase): LogMeta | null {
  const bytes = database.getBinary(metaKey);
  return bytes === undefined ? null : (JSON.parse(bytes.toString()) as LogMeta);
}

function assertMeta(meta: LogMeta, path: string, partitions: number): void {
  if (meta.format !== formatKnown) {
    throw new StartupError(
      `${path} has format ${meta.format}, and this version knows ${formatKnown}: start the version that wrote it`,
    );
  }
  if (meta.partitions !== partitions) {
    throw new StartupError(
      `${path} was made with ${meta.partitions} partitions, and ESP_PARTITIONS says ${partitions}: ` +
        `set ESP_PARTITIONS=${meta.partitions}, or start with another ESP_DATA_DIR`,
    );
  }
}

export function encodeOffsets(offsets: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(offsets.length * 8);
  offsets.forEach((offset, partition) => {
    bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), partition * 8);
    bytes.writeUInt32BE(offset >>> 0, partition * 8 + 4);
  });
  return bytes;
}

export function readOffsets(database: LogDatabase, key: Buffer, partitions: number): number[] {
  const bytes = database.getBinary(key);
  if (bytes?.length !== partitions * 8) throw new UnavailableError('log_corrupt', `the log's ${key} are damaged`);
  return Array.from({ length: partitions }, (_, partition) => Number(bytes.readBigUInt64BE(partition * 8)));
}

export function batchKey(partition: number, base: number): Buffer {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(partition, 0);
  key.writeUInt32BE(Math.floor(base / 2 ** 32), 4);
  key.writeUInt32BE(base >>> 0, 8);
  return key;
}

export function baseOf(key: Buffer): number {
  return key.readUInt32BE(4) * 2 ** 32 + key.readUInt32BE(8);
}

/** Bases of a partition's first batches, in order. */
export function firstBases(database: LogDatabase, partition: number, countMax: number): number[] {
  const range = { start: batchKey(partition, 0), end: batchKey(partition + 1, 0), limit: countMax };
  return Array.from(database.getKeys(range), baseOf);
}

/** The batch that holds this offset, else the first one behind it, else null. */
export function batchFrom(database: LogDatabase, partition: number, offset: number): PlacedBatch | null {
  const key = batchKey(partition, offset);
  const exact = database.getBinary(key);
  if (exact !== undefined) return place(partition, offset, exact);
  for (const found of database.getRange({ start: key, limit: 1, reverse: true })) {
    if (found.key.readUInt32BE(0) !== partition) break;
    const before = place(partition, baseOf(found.key), found.value);
    if (before.base + before.count > offset) return before;
  }
  for (const found of database.getRange({ start: key, end: batchKey(partition + 1, 0), limit: 1 })) {
    return place(partition, baseOf(found.key), found.value);
  }
  return null;
}

function place(partition: number, base: number, bytes: Buffer): PlacedBatch {
  try {
    return { base, ...decodeRecordBatch(bytes) };
  } catch (error) {
    const message = `the records of partition ${partition} from offset ${base} are damaged: ${messageOf(error)}`;
    throw new UnavailableError('log_corrupt', message, { cause: error });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function assertPartition(partition: number, partitions: number): void {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return;
  throw new RangeError(`the log has partitions 0 to ${partitions - 1}, and no ${partition}`);
}

export function closedError(): UnavailableError {
  return new UnavailableError('log_closed', 'the log is closed');
}
