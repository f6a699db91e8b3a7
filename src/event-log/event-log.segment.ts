import { openSegments } from './event-log.segment.files.ts';
import { createLogMarks, openLogMarks } from './event-log.segment.marks.ts';
import { createSegmentReader } from './event-log.segment.reader.ts';
import { recoverTail } from './event-log.segment.recovery.ts';
import { createSegmentWriter } from './event-log.segment.writer.ts';
import type { EventLog, LogReader } from './event-log.ts';

export interface SegmentEventLogOptions {
  /** Where the segments are; made where there is none. The caller sees to it that one process opens it. */
  readonly directory: string;
  /** Fixed when the directory is made. */
  readonly partitions: number;
  readonly now?: () => number;
  /** A segment of this size is followed by another one. */
  readonly segmentBytesMax?: number;
}

export interface SegmentEventLog extends EventLog {
  /** For `openSegmentLogReader` in another thread of this process. */
  readonly shared: SharedArrayBuffer;
}

/**
 * The embedded event log: segment files, to which every append is one write that is flushed before it is answered. One lane,
 * so one append in flight. Throws StartupError for a directory that holds no log, or another one than the options say.
 */
export async function createSegmentEventLog(options: SegmentEventLogOptions): Promise<SegmentEventLog> {
  const { directory, partitions } = options;
  const segments = await openSegments(directory, partitions);
  const tail = await recoverTail(directory, segments);
  const marks = createLogMarks(partitions, tail.segment.logId);
  const { end: endWrites, ...writer } = createSegmentWriter({ ...options, segments, tail, marks });
  const { end: endReads, ...reader } = createSegmentReader(directory, marks, partitions);
  let closing: Promise<void> | undefined;
  return {
    ...reader,
    ...writer,
    shared: marks.shared,
    close() {
      closing ??= Promise.all([endReads(), endWrites()]).then(() => undefined);
      return closing;
    },
  };
}

export interface SegmentLogReader extends LogReader {
  close(): Promise<void>;
}

/** Reads the log that another thread of this process has open; `shared` is that handle's. */
export function openSegmentLogReader(options: {
  readonly directory: string;
  readonly shared: SharedArrayBuffer;
  readonly partitions: number;
}): SegmentLogReader {
  const { directory, shared, partitions } = options;
  const { end, ...reader } = createSegmentReader(directory, openLogMarks(shared, partitions), partitions);
  let closing: Promise<void> | undefined;
  return {
    ...reader,
    close() {
      closing ??= end();
      return closing;
    },
  };
}
