import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { EventReader } from '../event-store/event-store.ts';
import type { MetricsStore } from '../metrics-store/metrics-store.ts';

/**
 * How far the store is, for those who wait for it: as the metrics store tells after each batch, and as a look at the
 * store itself finds every few milliseconds while anybody waits. It is a hint, since what is told may be of another
 * store, or of a log before this one: whoever acts on it asks the store.
 */
export interface ProgressWatch {
  /** Whether the last that was heard of the partition is past the offset. */
  isPast(partition: number, offset: number): boolean;
  /** Waits for all of these places: partition → offset. Looks go on until it leaves. */
  wait(places: ReadonlyMap<number, number>): ProgressWait;
  /** Resolves when anything is heard the next time. Rejects where a look has found a bug. */
  change(): Promise<void>;
}

export interface ProgressWait {
  /** Resolves once what was heard of each partition is past its place. Rejects where a look has found a bug. */
  readonly reached: Promise<void>;
  leave(): void;
}

export interface ProgressWatchOptions {
  readonly store: Pick<EventReader, 'progress'>;
  readonly metrics: Pick<MetricsStore, 'subscribe'>;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

interface Waiter {
  /** What is still to be reached. */
  readonly places: Map<number, number>;
  readonly reached: PromiseWithResolvers<void>;
}

export function createProgressWatch({ store, metrics, pause }: ProgressWatchOptions): ProgressWatch {
  /** The last, not the furthest: an adopted log begins at its own start. */
  const heard = new Map<number, number>();
  const waiters = new Set<Waiter>();
  /** By partition, so that a batch wakes nobody who waits for another one. */
  const waitersOf = new Map<number, Set<Waiter>>();
  let next = promised();
  let isLooking = false;
  let isListening = false;

  function hear(partition: number, nextOffset: number): void {
    heard.set(partition, nextOffset);
    const concerned = waitersOf.get(partition);
    for (const waiter of concerned ?? []) {
      if (nextOffset <= waiter.places.get(partition)!) continue;
      concerned!.delete(waiter);
      waiter.places.delete(partition);
      if (waiter.places.size === 0) waiter.reached.resolve();
    }
  }

  function tell(): void {
    next.resolve();
    next = promised();
  }

  /** For good, once somebody has waited: a subscription takes longer to begin than most waits. */
  function listen(): void {
    if (isListening) return;
    metrics.subscribe(({ partition, watermark }) => {
      hear(partition, watermark.nextOffset);
      tell();
    });
    isListening = true;
  }

  async function lookWhileAttended(): Promise<void> {
    if (isLooking) return;
    isLooking = true;
    while (waiters.size > 0) {
      await pause(limits.progressPollMs, neverAborted);
      if (waiters.size > 0) await look();
    }
    isLooking = false;
  }

  async function look(): Promise<void> {
    try {
      for (const { partition, nextOffset } of await store.progress(storeConsumer)) hear(partition, nextOffset);
      tell();
    } catch (error) {
      // One that is away may be back at the next look; who waits has an eye on the clock.
      if (error instanceof UnavailableError) return tell();
      for (const { reached } of waiters) reached.reject(error);
      next.reject(error);
      next = promised();
    }
  }

  return {
    isPast: (partition, offset) => (heard.get(partition) ?? 0) > offset,
    wait(places) {
      listen();
      const waiter: Waiter = { places: new Map(places), reached: promised() };
      waiters.add(waiter);
      for (const [partition, offset] of places) {
        if ((heard.get(partition) ?? 0) > offset) waiter.places.delete(partition);
        else waitersOf.set(partition, (waitersOf.get(partition) ?? new Set()).add(waiter));
      }
      if (waiter.places.size === 0) waiter.reached.resolve();
      void lookWhileAttended();
      return {
        reached: waiter.reached.promise,
        leave() {
          waiters.delete(waiter);
          for (const partition of waiter.places.keys()) waitersOf.get(partition)?.delete(waiter);
        },
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
