import type { Clocks } from '../../domain/clocks.ts';
import { tellFailure } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { Job, RedriveJobs } from '../../event-store/event-store.ts';
import type { Telemetry } from '../../telemetry/telemetry.ts';

/**
 * Ends jobs whose process has ended: whoever follows one that nobody goes on with would follow it for ever, and what it
 * has claimed would stay claimed. A process that has the store to itself ends all there are, once; one among several
 * ends those that it has not seen saved for a while, again and again, since any of the others may die. No clock of
 * another machine counts for that, only that a job is saved at all.
 */
export function endAbandonedJobs(
  options: Clocks & {
    readonly store: Pick<RedriveJobs, 'runningJobs' | 'endJobs'>;
    readonly telemetry: Telemetry;
    readonly isShared: boolean;
    /** Whether this thread goes on with it. Others are known by what they save. */
    readonly isOwn: (jobId: string) => boolean;
    readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  },
): { readonly first: Promise<void>; stop(): Promise<void> } {
  const { store, telemetry, isShared } = options;
  const stopping = new AbortController();
  const first = Promise.withResolvers<void>();
  /** Job → when it was saved, and since when nothing else was seen of it. */
  let seen: ReadonlyMap<string, Seen> = new Map();

  function look(jobs: readonly Job[]): readonly Job[] {
    const at = options.elapsed();
    seen = new Map(
      jobs.map(({ id, updatedAt }) => {
        const before = seen.get(id);
        return [id, before?.updatedAt === updatedAt ? before : { updatedAt, since: at }];
      }),
    );
    return jobs.filter(({ id }) => at - seen.get(id)!.since >= limits.jobAbandonedMs);
  }

  /** @returns whether the store has answered */
  async function endThem(): Promise<boolean> {
    try {
      const others = (await store.runningJobs()).filter(({ id }) => !options.isOwn(id));
      const abandoned = isShared ? look(others) : others;
      const count = abandoned.length === 0 ? 0 : await store.endJobs(abandoned, jobEnded, options.now());
      if (count > 0) telemetry.emit('jobs.ended', { count });
      return true;
    } catch (error) {
      // Whatever it is, also a bug: nobody waits for this, and it is tried again. Nobody can save anything meanwhile.
      telemetry.emit('jobs.unended', { error: tellFailure(error) });
      seen = new Map();
      return false;
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const isDone = await endThem();
      first.resolve();
      if (isDone && !isShared) return;
      await options.pause(limits.jobAbandonedMs / 2, stopping.signal).catch(() => undefined);
    }
  }

  const running = run();
  return {
    first: first.promise,
    async stop() {
      stopping.abort(new Error('stopped'));
      await running;
    },
  };
}

interface Seen {
  readonly updatedAt: number;
  readonly since: number;
}

const jobEnded = 'The server stopped before this was done: what is still open can be redriven again.';
