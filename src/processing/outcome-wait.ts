import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { AppendedRecord, EventReader, SettledOutcome } from '../event-store/event-store.ts';
import type { ProgressWatch } from './progress-watch.ts';

/** @param signal who asked is gone, or the server stops */
export type WaitForOutcomes = (
  appended: readonly AppendedRecord[],
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<readonly (SettledOutcome | null)[]>;

export interface OutcomeWaitOptions {
  readonly store: Pick<EventReader, 'outcomesOf'>;
  readonly watch: ProgressWatch;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Answers what became of records, in their order, once the store's progress is past all of them; null for those of
 * which that is not known in time. None is asked about before.
 */
export function createOutcomeWait({ store, watch, pause }: OutcomeWaitOptions): WaitForOutcomes {
  const read = createSharedReads(store);

  return async function waitForOutcomes(appended, timeoutMs, signal) {
    const outcomes: (SettledOutcome | null)[] = appended.map(() => null);
    let waiting = appended.map((_, index) => index);
    let hasEnded = false;
    const isOver = () => hasEnded || signal.aborted;
    if (waiting.length === 0 || signal.aborted) return outcomes;

    // A silent store must not hold up whoever asked for longer than that.
    const done = new AbortController();
    const over = pause(timeoutMs, AbortSignal.any([signal, done.signal]))
      .catch(() => undefined)
      .then(() => {
        hasEnded = true;
      });
    const progress = watch.wait(placesOf(appended));
    try {
      await Promise.race([progress.reached, over]);
      while (!isOver()) {
        // Before anything is asked: what is told meanwhile must not be missed.
        const change = watch.change();
        const settled = waiting.filter((index) => watch.isPast(appended[index]!.partition, appended[index]!.offset));
        for (let at = 0; at < settled.length && !isOver(); at += limits.outcomesReadMax) {
          const piece = settled.slice(at, at + limits.outcomesReadMax);
          const found = await Promise.race([read(piece.map((index) => appended[index]!)), over]);
          for (const [place, outcome] of found?.entries() ?? []) outcomes[piece[place]!] = outcome;
        }
        waiting = waiting.filter((index) => outcomes[index] === null);
        if (waiting.length === 0) break;
        await Promise.race([change, over]);
      }
      return outcomes;
    } finally {
      progress.leave();
      done.abort();
    }
  };
}

/** The last offset in each partition. */
function placesOf(appended: readonly AppendedRecord[]): ReadonlyMap<number, number> {
  const places = new Map<number, number>();
  for (const { partition, offset } of appended) {
    if (offset > (places.get(partition) ?? -1)) places.set(partition, offset);
  }
  return places;
}

type Read = (records: readonly AppendedRecord[]) => Promise<readonly (SettledOutcome | null)[]>;

/**
 * One read for all who ask in the same turn, as those do who wait for one batch; all null while the store is away,
 * which may be back before their wait is over.
 */
function createSharedReads(store: Pick<EventReader, 'outcomesOf'>): Read {
  let asked: AppendedRecord[] = [];
  let answer: ReturnType<Read> | null = null;

  async function readAsked(): ReturnType<Read> {
    // After everybody else whom the same news woke.
    await null;
    const records = asked;
    asked = [];
    answer = null;
    try {
      const outcomes: (SettledOutcome | null)[] = [];
      for (let at = 0; at < records.length; at += limits.outcomesReadMax) {
        outcomes.push(...(await store.outcomesOf(storeConsumer, records.slice(at, at + limits.outcomesReadMax))));
      }
      return outcomes;
    } catch (error) {
      if (error instanceof UnavailableError) return records.map(() => null);
      throw error;
    }
  }

  return async (records) => {
    const from = asked.length;
    asked.push(...records);
    answer ??= readAsked();
    return (await answer).slice(from, from + records.length);
  };
}
