import { limits } from './limits.ts';

/**
 * Capped exponential backoff with full jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
 * @param attempt 0 for the first retry
 * @param random a number in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: number): number {
  const cap = Math.min(limits.backoffMaxMs, limits.backoffMinMs * 2 ** Math.min(attempt, 30));
  return Math.round(cap * random);
}
