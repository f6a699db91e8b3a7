import { setImmediate as nextTurn } from 'node:timers/promises';
import type { InboxEntry } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { EventReader, Job, RedriveJobs } from '../event-store/event-store.ts';
import { prepareRedrive } from './prepare-redrive.ts';
import { type RedriveJobOptions, runRedriveJob } from './redrive-job.ts';

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
  /** Entries that are redriven, or could be. */
  readonly matched: number;
  /** Entries that are not: not open, another job's, or no event can be made of them without an edit. */
  readonly skipped: number;
  /** Of those that are skipped, the ones that another job has, or that were settled since they were looked at. */
  readonly taken: number;
}

export interface Redrive {
  start(request: RedriveRequest): Promise<RedriveStarted>;
  /** Whether this is a job of this process, which goes on with it. */
  isRunning(jobId: string): boolean;
  /** Resolves when the jobs that run have ended. */
  drain(): Promise<void>;
}

export interface RedriveOptions extends RedriveJobOptions {
  readonly store: Pick<EventReader, 'inboxEntry' | 'inboxEntries' | 'claimsOf'> &
    Pick<RedriveJobs, 'claimForRedrive' | 'markRedriving' | 'saveJob'>;
  readonly newId: () => string;
}

/**
 * Redrive appends the event anew and keeps its id; a conflict, or a record without an id, gets one derived from its
 * inbox id. The batch that takes the new record settles the old inbox row.
 *
 * A job claims its rows before anybody is told that it was started: of several that want one row, in whatever process,
 * one gets it, and nobody discards it meanwhile. Appending comes before marking, and ids never change from one try to
 * the next: where a job dies in between and another does its work again, the second record is a duplicate.
 */
export function createRedrive(options: RedriveOptions): Redrive {
  const { store } = options;
  const running = new Map<string, Promise<void>>();
  const stopping = new AbortController();

  async function start(request: RedriveRequest): Promise<RedriveStarted> {
    const { payloadJson } = request;
    // Said at once, rather than by a job that can do nothing.
    if (!request.dryRun) options.assertOpen();
    // Ids only: ten thousand of the largest records would be gigabytes. The job reads each again when its turn comes.
    const ready: string[] = [];
    let looked = 0;
    let taken = 0;
    for await (const entry of select(request.select)) {
      looked += 1;
      // An embedded store answers at once, and a record may be large: requests are served in between.
      await nextTurn();
      if (entry.state === 'redriving') taken += 1;
      if (entry.state === 'open' && prepareRedrive(entry, options.now(), payloadJson) !== null) ready.push(entry.id);
    }
    const asked = request.select.kind === 'ids' ? request.select.ids.length : looked;
    const { job, ids } = request.dryRun ? await unclaimedOf(ready) : await startJob(ready, payloadJson);
    taken += ready.length - ids.length;
    return { job, matched: ids.length, skipped: asked - ids.length, taken };
  }

  async function unclaimedOf(ready: readonly string[]): Promise<Started> {
    const claims = await store.claimsOf(ready);
    return { job: null, ids: ready.filter((id) => !claims.has(id)) };
  }

  async function startJob(ready: readonly string[], payloadJson: string | undefined): Promise<Started> {
    if (ready.length === 0) return { job: null, ids: [] };
    const wanted = newJob(options.newId(), ready.length, options.now());
    const ended = Promise.withResolvers<void>();
    const end = () => {
      running.delete(wanted.id);
      ended.resolve();
    };
    // Known as this process's own before it is in the store.
    running.set(wanted.id, ended.promise);
    const claimedAt = options.elapsed();
    let ids: readonly string[] = [];
    try {
      ids = await store.claimForRedrive(ready, wanted);
    } finally {
      if (ids.length === 0) end();
    }
    if (ids.length === 0) return { job: null, ids };
    const job = { ...wanted, total: ids.length };
    void runRedriveJob(options, { job, ids, claimedAt, payloadJson }, stopping.signal).finally(end);
    return { job, ids };
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

  return {
    start,
    isRunning: (jobId) => running.has(jobId),
    async drain() {
      stopping.abort(new Error('the process stops'));
      await Promise.all(running.values());
    },
  };
}

interface Started {
  readonly job: Job | null;
  readonly ids: readonly string[];
}

function newJob(id: string, total: number, at: number): Job {
  return {
    id,
    kind: 'redrive',
    state: 'running',
    total,
    done: 0,
    failed: 0,
    message: null,
    createdAt: at,
    updatedAt: at,
  };
}
