import type { Clocks } from '../domain/clocks.ts';
import { limits } from '../domain/limits.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';

export interface RetentionClockOptions extends Clocks {
  /** received_at of the newest stored event, null of none: about what time it was when this last ran. */
  readonly newestStoredAt: () => Promise<number | null>;
  readonly telemetry: Telemetry;
}

/**
 * The time that retention goes by. What is removed does not come back, so a wall clock that is set ahead, or was wrong
 * when the process started, is followed only after it has stood there for a day, in which somebody can see it and set
 * it right. Set back, it is followed at once: that removes less. Small steps ahead, as time servers make them, are
 * followed as well, but no more than an hour of them a day.
 *
 * Both are offsets of the wall clock from the one that only grows; `followed` is the one that counts.
 */
export function createRetentionClock(options: RetentionClockOptions): () => Promise<number> {
  const { now, elapsed, telemetry } = options;
  let followed: number | null = null;
  /** The offset that small steps count from, since when it does. */
  let base = { offset: 0, since: 0 };
  /** A later one, since when it has been there: its day is not begun anew when the clock is set once more. */
  let ahead: { readonly offset: number; readonly since: number } | null = null;

  async function atStart(): Promise<number> {
    const newest = (await options.newestStoredAt()) ?? now();
    const isPlausible = now() - newest <= limits.clockAheadAtStartMaxMs;
    return (isPlausible ? now() : newest) - elapsed();
  }

  return async () => {
    if (followed === null) {
      followed = await atStart();
      base = { offset: followed, since: elapsed() };
    }
    const offset = now() - elapsed();
    if (ahead !== null && elapsed() - ahead.since >= limits.clockAheadHeldMs) {
      followed = ahead.offset;
      base = { offset: followed, since: elapsed() };
      ahead = null;
      telemetry.emit('clock.followed', {});
    }
    if (elapsed() - base.since >= limits.clockAheadHeldMs) base = { offset: followed, since: elapsed() };
    if (offset <= base.offset + limits.clockAheadMaxMs) {
      followed = offset;
      base = { ...base, offset: Math.min(base.offset, offset) };
      if (ahead !== null) telemetry.emit('clock.followed', {});
      ahead = null;
    } else if (ahead === null) {
      ahead = { offset, since: elapsed() };
      telemetry.emit('clock.ahead', { aheadMs: Math.round(offset - followed), followedInMs: limits.clockAheadHeldMs });
    }
    // Whole milliseconds, as everything that is stored has them.
    return Math.floor(elapsed() + followed);
  };
}
