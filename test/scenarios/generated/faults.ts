import { UnavailableError } from '../../../src/domain/failure.ts';
import type { EventStore } from '../../../src/event-store/event-store.ts';
import type { CrashPoint } from '../../../src/processing/partition-loop.ts';

/** Where the process may die: at the loop's own points, or around the store's transaction. */
export const crashPoints = [
  'fetched',
  'built',
  'before_commit',
  'after_commit',
  'committed',
  'fed',
  'acknowledged',
  'before_maintenance',
  'after_maintenance',
] as const;
export type AnyCrashPoint = (typeof crashPoints)[number];

export type Fault =
  | { readonly kind: 'none' }
  /** The process dies the n-th time it comes to this point. */
  | { readonly kind: 'crash'; readonly point: AnyCrashPoint; readonly nth: number }
  /** The n-th commit lands, but its answer is lost, `times` in a row. */
  | { readonly kind: 'lost_answer'; readonly nth: number; readonly times: number }
  /** The store does not take the n-th commit and the ones after it, `times` in all. */
  | { readonly kind: 'away'; readonly nth: number; readonly times: number }
  /** The n-th maintenance does not answer, whether it landed or not. */
  | { readonly kind: 'maintenance_away'; readonly nth: number; readonly landed: boolean }
  /** A second worker takes the partitions over at the n-th point. */
  | { readonly kind: 'takeover'; readonly nth: number };

/** Carries one fault out. A process that died answers nothing any more: its calls never resolve. */
export function createFaultPlan(fault: Fault, onTakeover: () => void) {
  let isDead = false;
  const seen = new Map<string, number>();
  const died = Promise.withResolvers<void>();
  const hang = () => new Promise<never>(() => undefined);

  function count(what: string): number {
    const times = (seen.get(what) ?? 0) + 1;
    seen.set(what, times);
    return times;
  }

  async function at(point: AnyCrashPoint): Promise<void> {
    if (isDead) return hang();
    const pointsPassed = count('any point');
    if (fault.kind === 'takeover' && pointsPassed === fault.nth) onTakeover();
    if (fault.kind !== 'crash' || fault.point !== point || count(point) !== fault.nth) return;
    isDead = true;
    died.resolve();
    return hang();
  }

  function isWithin(nth: number, times: number, call: number): boolean {
    return call >= nth && call < nth + times;
  }

  /** The store as the worker sees it. */
  function wrap(store: EventStore): EventStore {
    return {
      ...store,
      async claim(request) {
        if (isDead) return hang();
        return store.claim(request);
      },
      async commit(request, decide) {
        await at('before_commit');
        const call = count('commit');
        if (fault.kind === 'away' && isWithin(fault.nth, fault.times, call)) {
          throw new UnavailableError('store_unavailable', 'injected: the store is away');
        }
        const result = await store.commit(request, decide);
        if (fault.kind === 'lost_answer' && isWithin(fault.nth, fault.times, call)) {
          throw new UnavailableError('store_unavailable', 'injected: the answer was lost');
        }
        await at('after_commit');
        return result;
      },
      async maintain(request) {
        await at('before_maintenance');
        const isAway = fault.kind === 'maintenance_away' && count('maintain') === fault.nth;
        if (isAway && !fault.landed) throw new UnavailableError('store_busy', 'injected: maintenance found no room');
        const result = await store.maintain(request);
        if (isAway) throw new UnavailableError('store_unavailable', 'injected: the answer of maintenance was lost');
        await at('after_maintenance');
        return result;
      },
    };
  }

  return {
    wrap,
    atPoint: (point: CrashPoint) => at(point),
    died: died.promise,
    isDead: () => isDead,
    /** From now on everything hangs, as if the process had been killed. */
    kill() {
      isDead = true;
    },
  };
}
