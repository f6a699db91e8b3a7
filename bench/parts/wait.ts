import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is neither null, undefined nor false. What the question throws counts as "not yet". */
export async function waitFor<Value>(
  what: string,
  ask: () => Promise<Value> | Value,
  { timeoutMs = 60_000, everyMs = 25 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<Exclude<Value, null | undefined | false>> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await ask();
      if (value !== null && value !== undefined && value !== false) {
        return value as Exclude<Value, null | undefined | false>;
      }
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}: ${String(last)}`);
    await delay(everyMs);
  }
}
