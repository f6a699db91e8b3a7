import type { Clocks } from '../domain/clocks.ts';
import { type Histogram, mergeInto } from '../domain/histogram.ts';
import type { BatchLimits, LogBatch, LogReader, LogStream } from '../event-log/event-log.ts';
import type { LogRecord } from '../event-log/log-record.ts';
import type { CommitRequest, WriteSet } from '../event-store/batch.ts';
import type { EventWriter, PartitionProgress } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type BatchSlot, type BatchSlots, unlimitedSlots } from './batch-slots.ts';
import { buildBatch, decodeRecords, recordsAtOnce } from './build-batch.ts';
import { type CommitOutcome, commitBatch } from './commit-batch.ts';
import type { Maintenance } from './maintenance.ts';
import type { MetricsFeed } from './metrics-feed.ts';
import type { Pace } from './pace.ts';
import type { FailurePublisher } from './publish-failures.ts';
import { createRecentSample } from './recent-sample.ts';

/**
 * Faults that the generated tests inject: called at points of the path of a batch, `committed` and `fed` once a
 * transaction.
 */
export type CrashPoint = 'fetched' | 'built' | 'committed' | 'fed' | 'acknowledged';

export interface PartitionLoopOptions extends Clocks {
  readonly log: Pick<LogReader, 'examineGap'>;
  readonly store: EventWriter;
  readonly feed: MetricsFeed;
  readonly maintenance: Maintenance;
  /** Null where there is no failed topic. */
  readonly failures?: Pick<FailurePublisher, 'notice'> | null;
  readonly telemetry: Telemetry;
  readonly random: () => number;
  readonly freshToken: () => string;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly pace: Pace;
  /** None where the store takes as many batches at a time as there are. */
  readonly slots?: BatchSlots;
  readonly batchLimits: BatchLimits;
  /** How long nothing may come before a gap at the end is looked at. */
  readonly idleMs: number;
  readonly atPoint?: (point: CrashPoint, partition: number) => Promise<void> | void;
}

/**
 * Why a loop ended by itself. `fenced`: the partition is somebody else's, or this worker lost track of it; claim anew.
 * `reopen`: the stream left out records that are there; open another one.
 */
export type LoopEnd = 'fenced' | 'reopen' | 'aborted';

/** What of the progress changes from batch to batch. */
interface Cursor {
  nextOffset: number;
  commitToken: string;
}

/**
 * Works one partition from its claimed progress until the signal: fetch, cut, look at gaps, wait for a slot, decode,
 * wait for the writer, build, commit, feed the metrics, acknowledge; and maintenance between batches. A batch that has
 * begun to commit is finished or left to be found again.
 */
export async function runPartitionLoop(
  options: PartitionLoopOptions,
  stream: LogStream,
  claimed: PartitionProgress,
  logStart: number,
  signal: AbortSignal,
): Promise<LoopEnd> {
  const { partition } = claimed;
  const cursor: Cursor = { nextOffset: claimed.nextOffset, commitToken: claimed.commitToken };

  const run = createBatchRunner(options, claimed, cursor, signal);
  try {
    if (logStart > cursor.nextOffset) {
      const end = await run([], { from: cursor.nextOffset, to: logStart, kind: 'trimmed' });
      if (end !== 'committed') return end;
    }
    let isFullNext = false;
    for (;;) {
      const came = await stream.untilRecords(partition, options.idleMs, signal);
      // A lone event is stored at once, a steady stream in batches that are larger, and at the same time as its
      // neighbours'.
      if (came && !isFullNext) await options.pace.tick();
      // What has come by now. Where nothing came for so long, the fresh end shows a gap at the end.
      const batch = await stream.next(partition, options.batchLimits, 0, signal);
      const takenAt = options.elapsed();
      await options.atPoint?.('fetched', partition);
      const end = await takeBatch(options, run, cursor, batch);
      if (end !== null) return end;
      batch.acknowledge(cursor.nextOffset);
      await options.atPoint?.('acknowledged', partition);

      const maintained = await options.maintenance.run({ ...claimed, ...cursor }, signal);
      if (typeof maintained === 'string') return maintained;
      cursor.commitToken = maintained.commitToken;
      isFullNext = fillsAnother(batch, batch.end - cursor.nextOffset, options.batchLimits);
      if (batch.records.length > 0 && !isFullNext) options.pace.rest(options.elapsed() - takenAt);
      if (signal.aborted) return 'aborted';
    }
  } catch (error) {
    if (signal.aborted) return 'aborted';
    throw error;
  }
}

/** Whether the records behind a batch would fill another one, if they are as large as its own. */
function fillsAnother({ records }: LogBatch, behind: number, { recordsMax, bytesMax }: BatchLimits): boolean {
  if (behind >= recordsMax) return true;
  if (behind === 0 || records.length === 0) return false;
  const bytes = records.reduce((sum, { start, end }) => sum + end - start, 0);
  return (bytes / records.length) * behind >= bytesMax;
}

interface Gap {
  readonly from: number;
  readonly to: number;
  /** `trimmed` and `given_up` count as lost. */
  readonly kind: 'trimmed' | 'given_up' | 'skipped';
}

type RunBatch = (records: readonly LogRecord[], gap: Gap | null) => Promise<CommitOutcome>;

/** Commits everything a fetched batch holds, run by run of consecutive offsets. Null: all is done. */
async function takeBatch(
  options: PartitionLoopOptions,
  run: RunBatch,
  cursor: Cursor,
  batch: LogBatch,
): Promise<LoopEnd | null> {
  // A stream may start below progress (a group's own offsets, a repeated fetch): cut, before any work is done on it.
  let records = batch.records;
  if (records.length > 0 && records[0]!.offset < cursor.nextOffset) {
    records = records.filter(({ offset }) => offset >= cursor.nextOffset);
  }
  for (;;) {
    const from = cursor.nextOffset;
    // Nothing came for a while although the log goes on: a gap at the end.
    const to = records[0]?.offset ?? (batch.records.length === 0 ? batch.end : from);
    const gap = to > from ? await nameGap(options, batch.partition, from, to) : null;
    if (gap === 'data') return 'reopen';
    // A gap that is only partly lost is taken in two: no record follows it then, and the rest is the next round's.
    const consecutive = runOf(records, gap?.to ?? from);
    if (consecutive.length === 0 && gap === null) return null;
    const outcome = await run(consecutive, gap);
    if (outcome === 'fenced') return 'fenced';
    records = records.slice(consecutive.length);
  }
}

/** The leading records whose offsets follow one another without a gap. */
function runOf(records: readonly LogRecord[], start: number): readonly LogRecord[] {
  let length = 0;
  while (records[length]?.offset === start + length) length += 1;
  return length === records.length ? records : records.slice(0, length);
}

async function nameGap(
  { log, telemetry }: PartitionLoopOptions,
  partition: number,
  from: number,
  to: number,
): Promise<Gap | 'data'> {
  const found = await log.examineGap(partition, from, to);
  if (found.kind === 'data') return 'data';
  if (found.kind === 'no_data') {
    telemetry.emit('gap.skipped', { partition, from, to });
    return { from, to, kind: 'skipped' };
  }
  const end = found.kind === 'trimmed' ? found.start : found.end;
  return { from, to: Math.min(to, end), kind: found.kind };
}

function createBatchRunner(
  options: PartitionLoopOptions,
  claimed: PartitionProgress,
  cursor: Cursor,
  signal: AbortSignal,
): RunBatch {
  const { telemetry, feed, elapsed, slots = unlimitedSlots } = options;
  const { partition } = claimed;
  const sampleRecent = createRecentSample(elapsed);

  async function buildAndCommit(
    records: readonly LogRecord[],
    gap: Gap | null,
    slot: BatchSlot,
  ): Promise<CommitOutcome> {
    const decoding = async () => {
      signal.throwIfAborted();
      const decodedFrom = elapsed();
      return { decoded: await decodeRecords(records), decodedMs: elapsed() - decodedFrom };
    };
    // What is decoded in one piece waits for nobody: a lone event least of all, behind the full batches of a backlog.
    const { decoded, decodedMs } = await (records.length <= recordsAtOnce ? decoding() : slot.decodeAlone(decoding));
    await slot.waitToStore();
    signal.throwIfAborted();
    // As if it had not waited for the writer in between.
    const startedAt = elapsed() - decodedMs;
    const gapLength = gap === null ? 0 : gap.to - gap.from;
    const lost = gap === null || gap.kind === 'skipped' ? null : { ...gap, reason: gap.kind };
    if (lost !== null) telemetry.emit('gap.lost', { partition, from: lost.from, to: lost.to, reason: lost.reason });
    const frame = {
      progress: { ...claimed, nextOffset: cursor.nextOffset, commitToken: cursor.commitToken },
      token: options.freshToken(),
      nextOffset: (records.at(-1)?.offset ?? (gap?.to ?? cursor.nextOffset) - 1) + 1,
      skipped: gap?.kind === 'skipped' ? gapLength : 0,
      lost: lost === null ? 0 : gapLength,
      storedAt: options.now(),
    };
    const request = buildBatch(frame, decoded);
    await options.atPoint?.('built', partition);

    const onCommitted = async (done: CommitRequest, written: WriteSet | null, alreadyCommitted: boolean) => {
      const previousToken = cursor.commitToken;
      cursor.nextOffset = done.nextOffset;
      cursor.commitToken = done.token;
      announce(options, done, written, alreadyCommitted, elapsed() - startedAt);
      await options.atPoint?.('committed', partition);
      if (written === null || written.failed.length > 0) options.failures?.notice(partition);
      const watermark = { logNo: done.logNo, nextOffset: done.nextOffset, commitToken: done.token };
      if (written === null) feed.rebuildTo(partition, watermark, 'lost_answer');
      else {
        const recent = sampleRecent(done, written);
        feed.push({ partition, previousToken, watermark, delta: written.rollups, recent });
      }
      await options.atPoint?.('fed', partition);
    };
    // A store that has to be waited for is waited for by everybody at a time.
    const pause: PartitionLoopOptions['pause'] = (ms, aborted) => {
      slot.release();
      return options.pause(ms, aborted);
    };
    return commitBatch({ ...options, pause, onCommitted }, request, signal);
  }

  return async (records, gap) => {
    const slot = await slots.acquire(partition);
    try {
      signal.throwIfAborted();
      return await buildAndCommit(records, gap, slot);
    } finally {
      slot.release();
    }
  };
}

function announce(
  { telemetry }: PartitionLoopOptions,
  request: CommitRequest,
  written: WriteSet | null,
  alreadyCommitted: boolean,
  durationMs: number,
): void {
  const { partition } = request;
  const latencies: Histogram = new Map();
  for (const { histogram } of written?.rollups.latencies ?? []) mergeInto(latencies, histogram);
  const outcomes = written?.outcomes ?? { stored: 0, duplicate: 0, failed: 0, lost: 0, skipped: 0 };
  telemetry.emit('batch.committed', {
    partition,
    records: request.candidates.length + request.rejected.length,
    ...outcomes,
    durationMs,
    latencies: [...latencies],
    alreadyCommitted,
  });
  const reasons = new Map<string, number>();
  for (const { code } of written?.failed ?? []) reasons.set(code, (reasons.get(code) ?? 0) + 1);
  for (const [code, count] of reasons) telemetry.emit('inbox.added', { partition, code, count });
}
