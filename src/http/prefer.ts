import { limits } from '../domain/limits.ts';

/** How long a client wants to wait for its events to be stored. */
export interface Preference {
  readonly timeoutMs: number;
  /** Value of preference-applied; null where no preference asked. */
  readonly applied: string | null;
}

/**
 * `?wait=stored`, `prefer: wait=N` in seconds (RFC 7240), or both: then N says how long. A preference that makes no
 * sense is ignored, as that document wants. At most 30 s; without N, 5 s.
 */
export function readWaitPreference(prefer: string | string[] | undefined, isAsked: boolean): Preference | null {
  const seconds = prefer === undefined ? null : waitSeconds([prefer].flat().join(','));
  if (seconds !== null) {
    const timeoutMs = Math.min(seconds * 1_000, limits.waitStoredMaxMs);
    return { timeoutMs, applied: `wait=${timeoutMs / 1_000}` };
  }
  return isAsked ? { timeoutMs: limits.waitStoredDefaultMs, applied: null } : null;
}

function waitSeconds(prefer: string): number | null {
  for (const preference of prefer.split(',')) {
    // Parameters behind a semicolon belong to the preference, and `wait` has none.
    const match = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?$/i.exec(preference);
    if (match) return Number(match[1]);
  }
  return null;
}
