import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { EventReader } from '../event-store/event-store.ts';
import type { MetricsStore } from '../metrics-store/metrics-store.ts';

/**
 * How far the store is, for those who wait for it: as the metrics store tells after each batch, and as a look at the store itself
 * finds every few milliseconds while anybody waits. It is a hint, since what is told may be of another store, or of a log
 * before this one: whoever acts on it asks the store.
 */
export interface ProgressWatch {
  /** Whether the last that was heard of the partition is past the offset. */
  isPast(partition: number, offset: number): boolean;
  /** Looks go on until what it answers is called. */
  attend(): () => void;
  /** Resolves when something is heard the next time, whatever it is. Rejects where a look has found a bug. */
  change(): Promise<void>;
}

export interface ProgressWatchOptions {
  readonly store: Pick<EventReader, 'progress'>;
  readonly metrics: Pick<MetricsStore, 'subscribe'>;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

export function createProgressWatch({ store, metrics, pause }: ProgressWatchOptions): ProgressWatch {
  /** The last, not the furthest: an adopted log begins at its own start. */
  const heard = new Map<number, number>();
  let next = promised();
  let attending = 0;
  let isLooking = false;
  let isListening = false;

  function tell(): void {
    next.resolve();
    next = promised();
  }

  /** For good, once somebody has waited: a subscription takes longer to begin than most waits. */
  function listen(): void {
    if (isListening) return;
    metrics.subscribe(({ partition, watermark }) => {
      heard.set(partition, watermark.nextOffset);
      tell();
    });
    isListening = true;
  }

  async function lookWhileAttended(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    try {
      while (attending > 0) {
        await pause(limits.progressPollMs, neverAborted);
        if (attending > 0) await look();
      }
    } finally {
      isLooking = false;
    }
  }

  async function look(): Promise<void> {
    try {
      for (const { partition, nextOffset } of await store.progress(storeConsumer)) heard.set(partition, nextOffset);
      tell();
    } catch (error) {
      // One that is away may be back at the next look; who waits looks at the clock meanwhile.
      if (error instanceof UnavailableError) return tell();
      next.reject(error);
      next = promised();
    }
  }

  return {
    isPast: (partition, offset) => (heard.get(partition) ?? 0) > offset,
    attend() {
      listen();
      attending += 1;
      void lookWhileAttended();
      let isOver = false;
      return () => {
        if (!isOver) attending -= 1;
        isOver = true;
      };
    },
    change: () => next.promise,
  };
}

const neverAborted = new AbortController().signal;

/** Nobody need wait for it when it is rejected. */
function promised(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => undefined);
  return made;
}
