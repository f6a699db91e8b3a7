import type { OffsetRange } from '../../domain/event.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';
import type { EventLog, LogReader } from '../event-log.ts';
import { givenUpName, type LogFiles, notOpened, openSegments, segmentPath } from './files.ts';
import { createGivenUp, readGivenUp, writeGivenUp } from './given-up.ts';
import { createLogMarks, openLogMarks } from './marks.ts';
import { createSegmentReader } from './reader.ts';
import { recoverTail } from './recovery.ts';
import { createSegmentWriter } from './writer.ts';

export interface SegmentEventLogOptions {
  /** Where the segments are; made where there is none. The caller sees to it that one process opens it. */
  readonly directory: string;
  /** Fixed when the directory is made. */
  readonly partitions: number;
  readonly now?: () => number;
  /** A segment of this size is followed by another one. */
  readonly segmentBytesMax?: number;
  readonly telemetry?: Pick<Telemetry, 'emit'>;
}

export interface SegmentEventLog extends EventLog {
  /** These two for `openSegmentLogReader` in another thread of this process. */
  readonly shared: SharedArrayBuffer;
  readonly givenUp: readonly OffsetRange[];
  /**
   * From now on damage at these offsets is passed over, and counted as lost, by whoever opens the log. Durable when it
   * resolves.
   */
  giveUp(ranges: readonly OffsetRange[]): Promise<void>;
}

/**
 * The embedded event log: segment files, to which every append is one write that is flushed before it is answered. One
 * lane, so one append in flight. Throws StartupError for a directory that holds no log, or another one than the options
 * say.
 */
export async function createSegmentEventLog(options: SegmentEventLogOptions): Promise<SegmentEventLog> {
  const { directory, partitions } = options;
  const files = await openSegments(directory, partitions);
  const { segments } = files;
  const tail = await recoverTail(directory, segments);
  const { logId } = tail.segment;
  if (tail.isTorn) {
    options.telemetry?.emit('log.cut_off', { path: segmentPath(directory, tail.segment.number), at: tail.bytes });
  }
  const givenUp = createGivenUp(await readWhatIsGivenUp(files, logId, options));
  const marks = createLogMarks(partitions, logId);
  const { end: endWrites, assertInPlace, ...writer } = createSegmentWriter({ ...options, segments, tail, marks });
  const { end: endReads, ...reader } = createSegmentReader(directory, marks, partitions, givenUp);
  let closing: Promise<void> | undefined;
  return {
    ...reader,
    ...writer,
    async describe() {
      assertInPlace();
      return reader.describe();
    },
    shared: marks.shared,
    givenUp: givenUp.ranges,
    async giveUp(ranges) {
      const kept = [...givenUp.ranges, ...ranges].filter(({ partition, to }) => to > marks.start(partition));
      await writeGivenUp(directory, logId, kept);
      givenUp.add(ranges);
    },
    close() {
      closing ??= Promise.all([endReads(), endWrites()]).then(() => undefined);
      return closing;
    },
  };
}

async function readWhatIsGivenUp(
  { isAnyGivenUp, strays }: LogFiles,
  logId: string,
  { directory, telemetry }: SegmentEventLogOptions,
): Promise<readonly OffsetRange[]> {
  if (strays.length > 0)
    telemetry?.emit('log.files_ignored', { directory, names: strays.slice(0, 10), reason: 'strays' });
  if (!isAnyGivenUp) return [];
  const ranges = await readGivenUp(directory, logId).catch((error) => {
    throw notOpened(directory, error);
  });
  if (ranges === null) telemetry?.emit('log.files_ignored', { directory, names: [givenUpName], reason: 'damaged' });
  return ranges ?? [];
}

export interface SegmentLogReader extends LogReader {
  close(): Promise<void>;
}

/** Reads the log that another thread of this process has open; `shared` and `givenUp` are that handle's. */
export function openSegmentLogReader(options: {
  readonly directory: string;
  readonly shared: SharedArrayBuffer;
  readonly givenUp?: readonly OffsetRange[];
  readonly partitions: number;
}): SegmentLogReader {
  const { directory, shared, partitions } = options;
  const marks = openLogMarks(shared, partitions);
  const { end, ...reader } = createSegmentReader(directory, marks, partitions, createGivenUp(options.givenUp));
  let closing: Promise<void> | undefined;
  return {
    ...reader,
    close() {
      closing ??= end();
      return closing;
    },
  };
}
