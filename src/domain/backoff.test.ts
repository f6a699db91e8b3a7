import { describe, expect, it } from 'vitest';
import { backoffAfter, backoffMs } from './backoff.ts';
import { UnavailableError } from './failure.ts';
import { limits } from './limits.ts';

const attempts = Array.from({ length: 12 }, (_, attempt) => attempt);

describe('the pause before the next try', () => {
  it('is at most twice as long each time, up to the cap', () => {
    const longest = attempts.map((attempt) => backoffMs(attempt, 1));
    expect(longest.slice(0, 4)).toEqual([200, 400, 800, 1_600]);
    expect(longest.at(-1)).toBe(limits.backoffMaxMs);
    expect(backoffMs(1_000_000, 1)).toBe(limits.backoffMaxMs);
  });

  it('is anywhere below, so that those who failed together do not come together again', () => {
    expect(backoffMs(3, 0)).toBe(0);
    expect(backoffMs(3, 0.25)).toBe(400);
  });

  it('stays short while somebody else writes to the store', () => {
    const [busy, away] = [new UnavailableError('store_busy', 'locked'), new UnavailableError('disk_full', 'no room')];
    expect(attempts.map((attempt) => backoffAfter(busy, attempt, 1)).at(-1)).toBe(limits.backoffBusyMaxMs);
    expect(attempts.map((attempt) => backoffAfter(away, attempt, 1)).at(-1)).toBe(limits.backoffMaxMs);
    expect(backoffAfter(busy, 0, 1)).toBe(backoffAfter(away, 0, 1));
  });
});
