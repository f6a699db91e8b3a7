import type { UnavailableError } from './failure.ts';
import { limits } from './limits.ts';

/**
 * Capped exponential backoff with full jitter ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
 * @param attempt 0 for the first retry
 * @param random a number in [0, 1)
 * @returns milliseconds
 */
export function backoffMs(attempt: number, random: number, maxMs: number = limits.backoffMaxMs): number {
  const cap = Math.min(maxMs, limits.backoffMinMs * 2 ** Math.min(attempt, 30));
  return Math.round(cap * random);
}

/** The pause before what failed is tried again. */
export function backoffAfter({ code }: UnavailableError, attempt: number, random: number): number {
  return backoffMs(attempt, random, code === 'store_busy' ? limits.backoffBusyMaxMs : limits.backoffMaxMs);
}
