import type { ReadinessView } from '../../../src/http/contract.ts';

export type Reason = ReadinessView['reasons'][number];

/** One reason of a kind in sight, and the others like it behind it. */
export interface ReasonGroup {
  readonly code: string;
  readonly first: string;
  readonly others: readonly string[];
}

/**
 * A log that was replaced halts every partition, each with a sentence of its own: fifty of them say no more than one.
 */
export function groupReasons(reasons: readonly Reason[]): readonly ReasonGroup[] {
  const messages = new Map<string, Set<string>>();
  for (const { code, message } of reasons) messages.set(code, (messages.get(code) ?? new Set()).add(message));
  return [...messages].map(([code, [first, ...others]]) => ({ code, first: first!, others }));
}
