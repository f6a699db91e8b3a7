import { setTimeout as delay } from 'node:timers/promises';

/** Asks until the answer is true, and throws past the deadline with the last thing that stood in the way. */
export async function waitUntil(
  what: string,
  condition: () => Promise<boolean> | boolean,
  { timeoutMs = 20_000, everyMs = 20 }: { readonly timeoutMs?: number; readonly everyMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last: unknown = 'it is not so';
  for (;;) {
    try {
      if (await condition()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}: ${String(last)}`, { cause: last });
    }
    await delay(everyMs);
  }
}
