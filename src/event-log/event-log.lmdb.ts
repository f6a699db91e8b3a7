import { limits } from '../domain/limits.ts';
import { openDatabase, prepareLogFile } from './event-log.lmdb.file.ts';
import { type LetGoLimits, openLogHandle } from './event-log.lmdb.handle.ts';
import { createLogMarks, openLogMarks } from './event-log.lmdb.marks.ts';
import { mapBytesAllowed } from './event-log.lmdb.precheck.ts';
import { createLmdbReader } from './event-log.lmdb.reader.ts';
import { createLmdbWriter } from './event-log.lmdb.writer.ts';
import type { EventLog, LogReader } from './event-log.ts';

export interface LmdbEventLogOptions {
  /** The file; its directory is made where there is none. The caller sees to it that one process opens it. */
  readonly path: string;
  /** Fixed when the file is made. */
  readonly partitions: number;
  readonly now?: () => number;
  /** Address space for the file; it grows by itself. */
  readonly mapBytes?: number;
  readonly letGoLimits?: LetGoLimits;
}

export interface LmdbEventLog extends EventLog {
  /** For `openLmdbLogReader` in another thread of this process. */
  readonly shared: SharedArrayBuffer;
}

/**
 * The embedded event log: one LMDB file, every append flushed before it is answered. One lane, so one append in flight.
 * Throws StartupError for a file that is no log, or another one than the options say.
 */
export async function createLmdbEventLog(options: LmdbEventLogOptions): Promise<LmdbEventLog> {
  const { path, partitions, now = Date.now } = options;
  const mapBytes = mapBytesAllowed(options.mapBytes ?? limits.logMapBytes);
  const { logId } = await prepareLogFile(path, partitions, mapBytes);
  const marks = createLogMarks(partitions, logId);
  const handle = openLogHandle({
    path,
    marks,
    open: () => openDatabase(path, mapBytes),
    letGoLimits: options.letGoLimits,
  });
  const { end: endWrites, ...writer } = createLmdbWriter({ handle, path, partitions, marks, now });
  const { end: endReads, ...reader } = createLmdbReader(handle, marks, partitions);
  let closing: Promise<void> | undefined;
  return {
    ...reader,
    ...writer,
    shared: marks.shared,
    close() {
      closing ??= (async () => {
        await Promise.all([endReads(), endWrites()]);
        await handle.close();
      })();
      return closing;
    },
  };
}

export interface LmdbLogReader extends LogReader {
  close(): Promise<void>;
}

/** Reads the log that another thread of this process has open; `shared` is that handle's. */
export async function openLmdbLogReader(options: {
  readonly path: string;
  readonly shared: SharedArrayBuffer;
  readonly partitions: number;
  readonly letGoLimits?: LetGoLimits;
}): Promise<LmdbLogReader> {
  const { path, shared, partitions, letGoLimits } = options;
  const marks = openLogMarks(shared, partitions);
  const mapBytes = mapBytesAllowed(limits.logMapBytes);
  const handle = openLogHandle({ path, marks, open: () => openDatabase(path, mapBytes), letGoLimits });
  const { end, ...reader } = createLmdbReader(handle, marks, partitions);
  let closing: Promise<void> | undefined;
  return {
    ...reader,
    close() {
      closing ??= end().then(() => handle.close());
      return closing;
    },
  };
}
