import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventEnvelope } from '../domain/event.ts';
import { UnavailableError } from '../domain/failure.ts';
import { redriveEventId } from '../domain/identity.ts';
import type { InboxEntry } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import { partitionOf } from '../domain/partitioner.ts';
import { decodeRecord, encodeRecord } from '../domain/record-codec.ts';
import type { LogAppender } from '../event-log/event-log.ts';
import type { EventReader, InboxWriter, Job } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

export type RedriveSelection =
  | { readonly kind: 'ids'; readonly ids: readonly string[] }
  | { readonly kind: 'filter'; readonly eventType?: string; readonly code?: string };

export interface RedriveRequest {
  readonly select: RedriveSelection;
  readonly dryRun: boolean;
  /** Replaces the payload; only with one id. Raw JSON text of an object, already validated. */
  readonly payloadJson?: string;
}

export interface RedriveStarted {
  /** Null for a dry run, and where nothing matched. */
  readonly job: Job | null;
  /** Entries that can be redriven. */
  readonly matched: number;
  /** Entries that can't: not open, or no event can be made of them without an edit. */
  readonly skipped: number;
}

export interface Redrive {
  start(request: RedriveRequest): Promise<RedriveStarted>;
  /** Resolves when the jobs that run have ended. */
  drain(): Promise<void>;
}

export interface RedriveOptions {
  readonly log: Pick<LogAppender, 'append' | 'laneOf' | 'partitions'>;
  readonly store: Pick<EventReader, 'inboxEntry' | 'inboxEntries'> & InboxWriter;
  readonly telemetry: Telemetry;
  readonly now: () => number;
  readonly newId: () => string;
}

/**
 * Redrive appends the event anew and keeps its id; a conflict, or a record without an id, gets one derived from its inbox
 * id. Appending comes before marking, and ids never change from one try to the next: a job that dies in between, or runs
 * twice, repeats no effect. The batch that takes the new record settles the old inbox row.
 */
export function createRedrive(options: RedriveOptions): Redrive {
  const { store, telemetry, now } = options;
  const running = new Set<Promise<void>>();

  async function start(request: RedriveRequest): Promise<RedriveStarted> {
    const { payloadJson } = request;
    // Ids only: ten thousand of the largest records would be gigabytes. The job reads each again when its turn comes.
    const ready: string[] = [];
    let looked = 0;
    for await (const entry of select(request.select)) {
      looked += 1;
      // An embedded store answers at once, and a record may be large: requests are served in between.
      await nextTurn();
      if (entry.state === 'open' && prepareRedrive(entry, now(), payloadJson) !== null) ready.push(entry.id);
    }
    const skipped = (request.select.kind === 'ids' ? request.select.ids.length : looked) - ready.length;
    if (request.dryRun || ready.length === 0) return { job: null, matched: ready.length, skipped };

    const at = now();
    const job: Job = {
      id: options.newId(),
      kind: 'redrive',
      state: 'running',
      total: ready.length,
      done: 0,
      failed: 0,
      message: null,
      createdAt: at,
      updatedAt: at,
    };
    await store.saveJob(job);
    const run = runJob(job, ready, payloadJson).finally(() => running.delete(run));
    running.add(run);
    return { job, matched: ready.length, skipped };
  }

  async function* select(selection: RedriveSelection): AsyncGenerator<InboxEntry> {
    if (selection.kind === 'ids') {
      for (const id of new Set(selection.ids)) {
        const entry = await store.inboxEntry(id);
        if (entry !== null) yield entry;
      }
      return;
    }
    let left: number = limits.redriveBatchMax;
    let cursor: string | undefined;
    do {
      const { items, nextCursor } = await store.inboxEntries({
        state: 'open',
        eventType: selection.eventType,
        code: selection.code,
        limit: Math.min(left, limits.listLimitMax),
        cursor,
      });
      yield* items;
      left -= items.length;
      cursor = nextCursor ?? undefined;
    } while (cursor !== undefined && left > 0);
  }

  async function runJob(job: Job, ready: readonly string[], payloadJson: string | undefined): Promise<void> {
    let done = 0;
    let failed = 0;
    let message: string | null = null;
    let saved = Promise.resolve();
    /** One after another, so that what the job was can't be saved over what it has become. */
    const save = (state: Job['state']) => {
      saved = saved.then(() => saveQuietly({ ...job, state, done, failed, message, updatedAt: now() }));
      return saved;
    };
    // Also while an append takes long: a job that nobody saves is taken for one whose process has ended.
    const heartbeat = setInterval(() => void save('running'), limits.jobSaveEveryMs);
    try {
      for (let from = 0; from < ready.length; from += chunkRecords) {
        const ids = ready.slice(from, from + chunkRecords);
        try {
          const chunk = await prepareAll(ids, job.createdAt, payloadJson);
          await appendAndMark(job, chunk);
          done += chunk.length;
        } catch (error) {
          // Also what is a bug: nobody waits for this job, and the rows it did not get to are open as before.
          failed += ids.length;
          message = `${failed} were not redriven and are still open: ${error instanceof Error ? error.message : String(error)}`;
        }
        await save('running');
      }
    } finally {
      clearInterval(heartbeat);
    }
    await save(failed === 0 ? 'done' : 'failed');
    telemetry.emit('redrive.finished', { jobId: job.id, redriven: done, failed });
  }

  /** Whoever discarded one meanwhile, or redrove it with another payload, has decided: those are left out. */
  async function prepareAll(ids: readonly string[], at: number, payloadJson?: string): Promise<PreparedRedrive[]> {
    const prepared: PreparedRedrive[] = [];
    for (const id of ids) {
      const entry = await store.inboxEntry(id);
      await nextTurn();
      const event = entry?.state === 'open' ? prepareRedrive(entry, at, payloadJson) : null;
      if (entry !== null && event !== null) prepared.push({ entry, event });
    }
    return prepared;
  }

  async function appendAndMark(job: Job, chunk: readonly PreparedRedrive[]): Promise<void> {
    if (chunk.length === 0) return;
    const lanes = new Map<number, { partition: number; value: Uint8Array }[]>();
    for (const { entry, event } of chunk) {
      const partition = partitionFor(entry, event);
      const lane = options.log.laneOf(partition);
      const records = lanes.get(lane) ?? [];
      records.push({ partition, value: encodeRecord(event) });
      lanes.set(lane, records);
    }
    await Promise.all([...lanes.values()].map((records) => options.log.append(records)));
    await store.markRedriving(
      chunk.map(({ entry }) => entry.id),
      job.id,
    );
  }

  /**
   * Behind the record it is made of, so that whoever reads the log again, with a store put back to an older copy, meets them
   * in this order and settles the inbox row again. A log with fewer partitions may have been adopted since.
   */
  function partitionFor({ position }: InboxEntry, { key, id }: EventEnvelope): number {
    const { partitions } = options.log;
    return position.partition < partitions ? position.partition : partitionOf(key ?? id, partitions);
  }

  /** A job's progress is for the eye: a store that is away must not end the job. */
  async function saveQuietly(job: Job): Promise<void> {
    try {
      await store.saveJob(job);
    } catch (error) {
      if (error instanceof UnavailableError) return;
      telemetry.emit('listener.failed', { event: 'redrive job', error: String(error) });
    }
  }

  return {
    start,
    async drain() {
      await Promise.all(running);
    },
  };
}

/** Bounds one append, and what a dying job leaves to be done again. */
const chunkRecords = 100;

interface PreparedRedrive {
  readonly entry: InboxEntry;
  readonly event: EventEnvelope;
}

/**
 * The event a redrive appends.
 * @param payloadJson replaces the payload, where given
 * @returns null where no event can be made of the record
 */
export function prepareRedrive(entry: InboxEntry, receivedAt: number, payloadJson?: string): EventEnvelope | null {
  const derivedId = redriveEventId(entry.id);
  const decoded = decodeRecord(entry.value, entry.receivedAt, { idWhenMissing: derivedId });
  const id = entry.code === 'conflict' ? derivedId : (entry.eventId ?? derivedId);
  if (decoded.ok) {
    return {
      ...decoded.event,
      id,
      receivedAt,
      redriveOf: entry.id,
      payloadJson: payloadJson ?? decoded.event.payloadJson,
    };
  }
  if (payloadJson === undefined || entry.eventType === null) return null;
  return {
    id,
    eventType: entry.eventType,
    clientId: null,
    source: null,
    key: entry.key,
    occurredAt: null,
    receivedAt,
    redriveOf: entry.id,
    payloadJson,
  };
}
