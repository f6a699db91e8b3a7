import { tellFailure } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { InboxWriter } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

/**
 * Ends jobs whose process has ended: whoever follows one that nobody goes on with would follow it for ever. A process that
 * has the store to itself ends all there are, once; one among several ends those that nobody has saved for a while, again and
 * again, since any of the others may die.
 */
export function endAbandonedJobs(options: {
  readonly store: Pick<InboxWriter, 'endJobs'>;
  readonly telemetry: Telemetry;
  readonly now: () => number;
  readonly isShared: boolean;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}): { readonly first: Promise<void>; stop(): Promise<void> } {
  const { store, telemetry, now, isShared } = options;
  const stopping = new AbortController();
  const first = Promise.withResolvers<void>();

  /** @returns whether the store has answered */
  async function endThem(): Promise<boolean> {
    try {
      const savedBefore = isShared ? now() - limits.jobAbandonedMs : Number.MAX_SAFE_INTEGER;
      const count = await store.endJobs(jobEnded, now(), savedBefore);
      if (count > 0) telemetry.emit('jobs.ended', { count });
      return true;
    } catch (error) {
      // Whatever it is, also a bug: nobody waits for this, and it is tried again.
      telemetry.emit('jobs.unended', { error: tellFailure(error) });
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

const jobEnded = 'The server stopped before this was done: what is still open can be redriven again.';
