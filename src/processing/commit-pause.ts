import type { Telemetry } from '../telemetry/telemetry.ts';

/**
 * A pause that ends sooner where a worker of this process tells of a batch: whoever waits for the store's progress then looks when
 * there is something to see. Where workers are processes of their own, it is a pause like any other.
 */
export function createCommitPause(
  telemetry: Pick<Telemetry, 'on'>,
  pause: (ms: number, signal: AbortSignal) => Promise<void>,
): (ms: number, signal: AbortSignal) => Promise<void> {
  const waiting = new Set<() => void>();
  telemetry.on('batch.committed', () => {
    for (const end of waiting) end();
  });

  return async (ms, signal) => {
    const committed = Promise.withResolvers<void>();
    waiting.add(committed.resolve);
    // The timer may run on: it is a matter of milliseconds.
    await Promise.race([pause(ms, signal), committed.promise]).finally(() => waiting.delete(committed.resolve));
  };
}
