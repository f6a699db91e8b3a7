import { setImmediate as nextTurn } from 'node:timers/promises';
import { backoffMs } from '../domain/backoff.ts';
import type { Clocks } from '../domain/clocks.ts';
import type { EventEnvelope } from '../domain/event.ts';
import type { InboxEntry } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { partitionOf } from '../domain/partitioner.ts';
import { encodeRecord } from '../domain/record-codec.ts';
import type { LogAppender } from '../event-log/event-log.ts';
import type { EventReader, Job, RedriveJobs } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { createJobHold, type JobHold } from './job-hold.ts';
import { prepareRedrive } from './prepare-redrive.ts';

export interface RedriveJobOptions extends Clocks {
  readonly log: Pick<LogAppender, 'append' | 'laneOf' | 'partitions'>;
  readonly store: Pick<EventReader, 'inboxEntry'> & Pick<RedriveJobs, 'markRedriving' | 'saveJob'>;
  readonly telemetry: Telemetry;
  /** @throws UnavailableError while nothing may be appended */
  readonly assertOpen: () => void;
  readonly random: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface ClaimedRedrive {
  readonly job: Job;
  /** Inbox rows that the job has claimed. */
  readonly ids: readonly string[];
  /** When they were, by `elapsed`. */
  readonly claimedAt: number;
  readonly payloadJson: string | undefined;
}

/** Bounds one append, and what a dying job leaves to be done again. */
const chunkRecords = 100;

/**
 * Appends what was claimed, chunk by chunk, and marks it. Never rejects: what could not be appended stays open, and the
 * job says so.
 *
 * @param stopping the store is not waited for any more when the job is to be ended in it
 */
export async function runRedriveJob(
  options: RedriveJobOptions,
  { job, ids, claimedAt, payloadJson }: ClaimedRedrive,
  stopping: AbortSignal,
): Promise<void> {
  let done = 0;
  let failed = 0;
  let message: string | null = null;
  const hold = createJobHold(options, claimedAt, (state) => ({
    ...job,
    state,
    done,
    failed,
    message,
    updatedAt: options.now(),
  }));
  // Also while an append takes long: a job that nobody saves is taken for one whose process has ended.
  const heartbeat = setInterval(() => void hold.save('running'), limits.jobSaveEveryMs);
  for (let from = 0; from < ids.length; from += chunkRecords) {
    const chunk = ids.slice(from, from + chunkRecords);
    try {
      done += await redriveChunk(options, hold, job, chunk, payloadJson);
    } catch (error) {
      // Also what is a bug: nobody waits for this job, and the rows it did not get to are open as before.
      failed += chunk.length;
      message = `${failed} were not redriven and are still open: ${error instanceof Error ? error.message : String(error)}`;
    }
    await hold.save('running');
  }
  await endJob(options, hold, failed === 0 ? 'done' : 'failed', stopping);
  clearInterval(heartbeat);
  options.telemetry.emit('redrive.finished', { jobId: job.id, redriven: done, failed });
}

/** Until the store knows, since the job's claims end with it. */
async function endJob(
  { random, pause }: RedriveJobOptions,
  hold: JobHold,
  state: 'done' | 'failed',
  stopping: AbortSignal,
): Promise<void> {
  for (let attempt = 0; !(await hold.save(state)) && !stopping.aborted; attempt += 1) {
    await pause(backoffMs(attempt, random()), stopping).catch(() => undefined);
  }
}

/** @returns how many were sent: those that were settled meanwhile are left out */
async function redriveChunk(
  options: RedriveJobOptions,
  hold: JobHold,
  job: Job,
  ids: readonly string[],
  payloadJson: string | undefined,
): Promise<number> {
  await hold.assertHeld();
  const chunk = await prepareAll(options, ids, job.createdAt, payloadJson);
  if (chunk.length === 0) return 0;
  const { log, store } = options;
  const lanes = new Map<number, { partition: number; value: Uint8Array }[]>();
  for (const { entry, event } of chunk) {
    const partition = partitionFor(log.partitions, entry, event);
    const lane = log.laneOf(partition);
    const records = lanes.get(lane) ?? [];
    records.push({ partition, value: encodeRecord(event) });
    lanes.set(lane, records);
  }
  // Last of all: reading may have taken long, and what is not this job's any more may be somebody else's by now.
  await hold.assertHeld();
  options.assertOpen();
  await Promise.all([...lanes.values()].map((records) => log.append(records)));
  await store.markRedriving(
    chunk.map(({ entry }) => entry.id),
    job.id,
  );
  return chunk.length;
}

interface PreparedRedrive {
  readonly entry: InboxEntry;
  readonly event: EventEnvelope;
}

async function prepareAll(
  { store }: Pick<RedriveJobOptions, 'store'>,
  ids: readonly string[],
  at: number,
  payloadJson: string | undefined,
): Promise<readonly PreparedRedrive[]> {
  const prepared: PreparedRedrive[] = [];
  for (const id of ids) {
    const entry = await store.inboxEntry(id);
    // An embedded store answers at once, and a record may be large: requests are served in between.
    await nextTurn();
    const event = entry?.state === 'open' ? prepareRedrive(entry, at, payloadJson) : null;
    if (entry !== null && event !== null) prepared.push({ entry, event });
  }
  return prepared;
}

/**
 * Behind the record it is made of, so that whoever reads the log again, with a store put back to an older copy, meets
 * them in this order and settles the inbox row again. A log with fewer partitions may have been adopted since.
 */
function partitionFor(partitions: number, { position }: InboxEntry, { key, id }: EventEnvelope): number {
  return position.partition < partitions ? position.partition : partitionOf(key ?? id, partitions);
}
