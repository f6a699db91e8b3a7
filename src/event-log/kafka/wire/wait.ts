import { limits } from '../../../domain/limits.ts';

/** Milliseconds until a deadline by performance.now(), at least 1. */
export function remainingMs(deadlineAt: number): number {
  return Math.max(1, deadlineAt - performance.now());
}

/** The pause before what failed is tried again: short at first, since a new leader is there in a moment. */
export function retryPauseMs(attempt: number): number {
  return Math.min(limits.kafkaRetryMaxMs, limits.kafkaRetryMinMs * 2 ** Math.min(attempt, 10));
}

/** Waits for what would be good to have, but not for ever. Never rejects. */
export async function notLongerThan(ms: number, wish: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([wish.catch(() => undefined), late.promise]);
  clearTimeout(timer);
}

/** @throws the signal's reason */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
