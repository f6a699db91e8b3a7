import { afterEach, beforeEach } from 'vitest';
import type {
  AppendedAt,
  BatchLimits,
  EventLog,
  LogAssignment,
  LogConsumer,
  LogReader,
  LogStream,
  RecordToAppend,
} from '../event-log/event-log.ts';
import type { LogRecord } from '../event-log/log-record.ts';

/** One log of its own for each case. */
export interface EventLogHarness {
  /** The first call makes the log; a later one opens what is there, after the handle before was closed. */
  open(): Promise<EventLog>;
  /** Another way in to the log that is open: another thread's, or another process's. */
  openReader(): Promise<LogReader & { close(): Promise<void> }>;
  /** Closes what is open and removes the log. */
  dispose(): Promise<void>;
}

export type MakeEventLogHarness = (options: { readonly partitions: number }) => Promise<EventLogHarness>;

/** A log whose bytes a test can get at. */
export interface DamageableLogHarness extends EventLogHarness {
  /** Rots a byte of the record with this text, which stands in the log once. The log is closed meanwhile. */
  damage(text: string): Promise<void>;
}

export interface LogUnderTest<Harness extends EventLogHarness = EventLogHarness> {
  readonly harness: Harness;
  readonly log: EventLog;
}

/** Registers a fresh log for each case of the enclosing describe. Answers a way to get at it. */
export function useLog<Harness extends EventLogHarness>(
  makeHarness: (options: { readonly partitions: number }) => Promise<Harness>,
  partitions: number,
): () => LogUnderTest<Harness> {
  let current: LogUnderTest<Harness>;
  beforeEach(async () => {
    const harness = await makeHarness({ partitions });
    current = { harness, log: await harness.open() };
  });
  afterEach(() => current.harness.dispose());
  return () => current;
}

export const plentiful: BatchLimits = { recordsMax: 1_000, bytesMax: 1024 * 1024 };
/** Longer than a case may take: nothing may depend on it. */
export const longMs = 60_000;
export const never = new AbortController().signal;

export function textOf(record: LogRecord | null): string | null {
  return record === null ? null : Buffer.from(record.value).toString();
}

export function recordsFor(partition: number, texts: readonly string[]): RecordToAppend[] {
  return texts.map((text) => ({ partition, value: Buffer.from(text) }));
}

export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

/** Appends records of any lanes; positions come in the order of the records. */
export async function appendAll(log: EventLog, records: readonly RecordToAppend[]): Promise<readonly AppendedAt[]> {
  const positions = new Array<AppendedAt>(records.length);
  for (let lane = 0; lane < log.lanes; lane += 1) {
    const indexes = records.flatMap(({ partition }, index) => (log.laneOf(partition) === lane ? [index] : []));
    if (indexes.length === 0) continue;
    const appended = await log.append(indexes.map((index) => records[index]!));
    for (const [nth, index] of indexes.entries()) positions[index] = appended[nth]!;
  }
  return positions;
}

export async function boundsOf(log: LogReader, partition: number): Promise<{ start: number; end: number }> {
  const { partitions } = await log.describe();
  const { start, end } = partitions.find((bounds) => bounds.partition === partition)!;
  return { start, end };
}

export interface Joined {
  readonly consumer: LogConsumer;
  readonly assignment: LogAssignment;
}

export async function joinGroup(log: LogReader): Promise<Joined> {
  const consumer = await log.join();
  for await (const assignment of consumer.assignments()) return { consumer, assignment };
  throw new Error('the consumer was given no partitions');
}

/** A stream of every partition that the member is given: from 0 where `offsets` says nothing. */
export async function openStream(
  log: LogReader,
  offsets: Readonly<Record<number, number>> = {},
): Promise<Joined & { readonly stream: LogStream }> {
  const joined = await joinGroup(log);
  const from = new Map(joined.assignment.partitions.map((partition) => [partition, offsets[partition] ?? 0]));
  return { ...joined, stream: await joined.assignment.open(from) };
}

/** Reads on until `count` records have come. */
export async function takeRecords(
  stream: LogStream,
  partition: number,
  count: number,
  limits: BatchLimits = plentiful,
): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  while (records.length < count) {
    const batch = await stream.next(partition, limits, longMs, never);
    records.push(...batch.records);
  }
  return records;
}
