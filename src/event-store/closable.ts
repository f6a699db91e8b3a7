import type { EventStore, EventWriter } from './event-store.ts';

/** Adds `close`, which waits for what runs and then ends what the store stands on; calls that come after it throw. */
export function closable(port: Omit<EventStore, 'close'>, end: () => Promise<void>): EventStore {
  type Method = (...parameters: unknown[]) => Promise<unknown>;
  const running = new Set<Promise<unknown>>();
  let closing: Promise<void> | null = null;

  async function track(method: Method, parameters: unknown[]): Promise<unknown> {
    if (closing !== null) throw new Error('The event store is closed.');
    const run = method(...parameters);
    running.add(run);
    try {
      return await run;
    } finally {
      running.delete(run);
    }
  }

  async function close(): Promise<void> {
    await Promise.allSettled(running);
    await end();
  }

  const methods = Object.entries(port).map(([name, method]) => [
    name,
    (...parameters: unknown[]) => track(method as Method, parameters),
  ]);
  return {
    ...(Object.fromEntries(methods) as Omit<EventStore, 'close'>),
    close: () => (closing ??= close()),
  };
}

const batchesRefused = async () => {
  throw new Error('This handle of the event store is a client: batches are written by the owner.');
};

/** For a handle that has no part in writing batches. */
export const refuseBatches: EventWriter = {
  claim: batchesRefused,
  commit: batchesRefused,
  maintain: batchesRefused,
  probe: batchesRefused,
  durableProgress: batchesRefused,
};
