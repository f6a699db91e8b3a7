import { UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { AppendedRecord, EventReader, SettledOutcome } from '../event-store/event-store.ts';

export interface AppendedEvent {
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
}

export type WaitForOutcomes = (
  appended: readonly AppendedEvent[],
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<readonly (SettledOutcome | null)[]>;

/**
 * Answers what became of records once the store's progress is past them; null for those it is not past in time. All waiters
 * share one look at progress every few milliseconds, so a thousand of them cost the store no more than one.
 */
export function createOutcomeWait(
  store: Pick<EventReader, 'progress' | 'outcomesOf'>,
  options: { readonly elapsed: () => number; readonly pause: (ms: number, signal: AbortSignal) => Promise<void> },
): WaitForOutcomes {
  let look: Promise<Progress> | null = null;

  /** The next look that starts after now; joined by whoever asks meanwhile. */
  function nextLook(): Promise<Progress> {
    look ??= options
      .pause(limits.progressPollMs, neverAborted)
      .then(async () => {
        look = null;
        const rows = await store.progress(storeConsumer);
        const first = rows[0];
        return { logNo: first?.logNo ?? 1, next: new Map(rows.map((row) => [row.partition, row.nextOffset])) };
      })
      .catch((error) => {
        if (!(error instanceof UnavailableError)) throw error;
        return { logNo: 1, next: new Map<number, number>() };
      });
    return look;
  }

  /** None while the store is away: it may be back before the wait is over. */
  async function outcomesOf(records: readonly AppendedRecord[]): Promise<readonly SettledOutcome[]> {
    try {
      return await store.outcomesOf(storeConsumer, records);
    } catch (error) {
      if (error instanceof UnavailableError) return [];
      throw error;
    }
  }

  return async function waitForOutcomes(appended, timeoutMs, signal) {
    const deadline = options.elapsed() + timeoutMs;
    const outcomes: (SettledOutcome | null)[] = appended.map(() => null);
    let waiting = appended.map((_, index) => index);
    const isOver = () => signal.aborted || options.elapsed() >= deadline;
    while (waiting.length > 0 && !signal.aborted) {
      const { logNo, next } = await nextLook();
      const settled = waiting.filter((index) => (next.get(appended[index]!.partition) ?? 0) > appended[index]!.offset);
      for (let at = 0; at < settled.length && (at === 0 || !isOver()); at += limits.outcomesReadMax) {
        const piece = settled.slice(at, at + limits.outcomesReadMax);
        const found = await outcomesOf(
          piece.map((index) => {
            const { id, partition, offset } = appended[index]!;
            return { id, position: { logNo, partition, offset } };
          }),
        );
        for (const [place, outcome] of found.entries()) outcomes[piece[place]!] = outcome;
      }
      waiting = waiting.filter((index) => outcomes[index] === null);
      if (isOver()) break;
    }
    return outcomes;
  };
}

interface Progress {
  readonly logNo: number;
  readonly next: ReadonlyMap<number, number>;
}

const neverAborted = new AbortController().signal;
