import { limits } from '../domain/limits.ts';

/**
 * Whether a request to take events in is let in, decided before anything of it is read. One thread parses, judges,
 * encodes and answers all of them; offered more than it can do, it would read everything all the same, and whatever it
 * has read waits behind the rest: every answer would take as long as there are connections. So while it is overloaded
 * it has only so much under way as it answers in a moment, and refuses the rest.
 *
 *   calm ──▶ for `patienceMs` who came met too much under way, and the thread was hardly ever idle ──▶ shedding
 *     ▲                                                                                                  │
 *     └────────── for `calmMs` there was room, and the thread found time to be idle; or all would fit ◀──┘
 *
 * Only both together are an overload: much under way with an idle thread is a log that is slow (the append queue bounds
 * that, in bytes), and a busy thread with little under way is one that keeps up. So a short pause of the collector, a
 * slow flush or a cold start refuses nobody, and neither do clients that wait for their answers on fewer connections
 * than `requestsUnderWayMin`, however fast they are. docs/decisions/0011-shedding-load.md has the reasons and the
 * measurements.
 */
export interface Admission {
  /**
   * Null: it is let in. Else it is refused, so many milliseconds from now: within `refusalSpreadMs` the first time; who
   * sends again on that connection before the time it was told is answered when that is over.
   */
  refusal(connection: object): number | null;
  /** Counts a request that was let in, until it has its outcome. */
  during<Answer>(outcome: Promise<Answer>): Promise<Answer>;
}

export interface AdmissionOptions {
  /** Milliseconds, by a clock that nobody can set. */
  readonly elapsed: () => number;
  /** Milliseconds that the thread has had nothing to do, all together. */
  readonly idle: () => number;
  /** As Math.random. */
  readonly random: () => number;
  readonly onChange: (isShedding: boolean, underWayMax: number) => void;
}

/**
 * Longer than a collection of garbage, or than making up for one; short enough that few are answered late before it
 * ends.
 */
export const patienceMs = 200;
/**
 * To end it is decided as soon as that can be told, although those who were refused stay away for longer: with a
 * thousand clients, somebody finds it full once in a second also at a load that all of them could have.
 */
export const calmMs = 300;
/** Looks are so far apart, or further where a turn of the event loop takes longer. */
const lookEveryMs = 50;
/**
 * What one look counts for at most: a single turn that took very long, such as one in which the machine stood still,
 * decides nothing.
 */
const lookMsMax = 100;
/**
 * At its top rate it is idle for a tenth to a third of the time all the same, while a flush is under way; overloaded,
 * for less than a tenth.
 */
const idleShareMin = 0.2;
/**
 * While it sheds, it has only so much of the bound under way, and of the smallest bound half, which is twice as many as
 * with 64 clients. Less under way makes shorter answers of the same number, and each costs less, since little of it
 * lives when garbage is collected; too little leaves the thread idle. Decision 11 has what was measured. To begin takes
 * all of the bound, so that clients who wait for their answers are seldom refused.
 */
const sheddingPart = 0.25;
const sheddingLeast = limits.requestsUnderWayMin / 2;
/** By what that grows from look to look while the thread is idle, and shrinks again while it is not. */
const growth = 1.25;
/** The rate goes by about so many of the last looks. */
const looksOfRate = 10;

export const retryAfterMs = 1_000;
/**
 * Those who are refused together, as at the beginning all are, would come again together, whole seconds later: find it
 * full for as long as they take, and leave room between. So they are told at different times.
 */
export const refusalSpreadMs = 250;
const awayMsMax = refusalSpreadMs + retryAfterMs;

export function createAdmission({ elapsed, idle, random, onChange }: AdmissionOptions): Admission {
  let underWay = 0;
  let underWayMax: number = limits.requestsUnderWayMin;
  let isShedding = false;
  /** How long looks have said the opposite of `isShedding`. */
  let otherwiseMs = 0;
  /** Requests a millisecond. */
  let rate = 0;
  // Since the last look.
  let lookedAt = elapsed();
  let idleBefore = idle();
  let answered = 0;
  let arrived = 0;
  /**
   * What each of these met under way, summed up: they are answered in groups, so a few meet next to nothing even then.
   */
  let underWaySum = 0;
  let wasFull = false;
  /** Refusals since then, and in as long a time before: each is a client that comes again within `awayMsMax`. */
  let refusalsSince = elapsed();
  let refused = 0;
  let refusedBefore = 0;
  /** When a connection was, or will be, answered a refusal. */
  const refusedAt = new WeakMap<object, number>();

  function look(now: number): void {
    const ms = now - lookedAt;
    const idleNow = idle();
    const isBusy = idleNow - idleBefore < ms * idleShareMin;
    const wasShedding = isShedding;
    rate += (answered / ms - rate) / looksOfRate;
    const isCrowded = underWaySum >= arrived * underWayMax;
    const isOtherwise = isShedding ? allFit(now) || (!isBusy && !wasFull) : isBusy && isCrowded;
    otherwiseMs = isOtherwise ? otherwiseMs + Math.min(ms, lookMsMax) : 0;
    if (otherwiseMs >= (isShedding ? calmMs : patienceMs)) {
      isShedding = !isShedding;
      otherwiseMs = 0;
      refusalsSince = now;
      refused = 0;
      refusedBefore = 0;
    }
    underWayMax = Math.round(nextMax(wasShedding, isBusy));
    if (isShedding !== wasShedding) onChange(isShedding, underWayMax);
    lookedAt = now;
    idleBefore = idleNow;
    answered = 0;
    arrived = 0;
    underWaySum = 0;
    wasFull = false;
  }

  const bound = () => Math.max(limits.requestsUnderWayMin, rate * limits.requestDelayMs);

  /**
   * Whether those who were refused would find room, if it was over: who waits for answers on few connections is not
   * refused for ever.
   */
  function allFit(now: number): boolean {
    if (now - refusalsSince >= awayMsMax) {
      refusedBefore = refused;
      refused = 0;
      refusalsSince = now;
    }
    return underWayMax + Math.max(refused, refusedBefore) < bound();
  }

  function nextMax(wasShedding: boolean, isBusy: boolean): number {
    if (!isShedding) return bound();
    const least = Math.max(sheddingLeast, bound() * sheddingPart);
    if (!wasShedding) return least;
    if (isBusy) return Math.max(least, underWayMax / growth);
    // What is under way waits for a log that is slow, and the thread could do more.
    return wasFull ? underWayMax * growth : underWayMax;
  }

  function settled(): void {
    underWay -= 1;
    answered += 1;
  }

  return {
    refusal(connection) {
      const now = elapsed();
      const isFull = underWay >= underWayMax;
      wasFull ||= isFull;
      arrived += 1;
      underWaySum += underWay;
      if (now - lookedAt >= lookEveryMs) look(now);
      if (!isShedding) return null;
      const before = refusedAt.get(connection) ?? Number.NEGATIVE_INFINITY;
      // It does not even wait for its answers: all that it sends meanwhile is answered together.
      if (before > now) return before - now;
      const earlyMs = before + retryAfterMs - now;
      if (!isFull && earlyMs <= 0) return null;
      const refusedInMs = earlyMs > 0 ? earlyMs : random() * refusalSpreadMs;
      refusedAt.set(connection, now + refusedInMs);
      refused += 1;
      return refusedInMs;
    },
    during(outcome) {
      underWay += 1;
      outcome.then(settled, settled);
      return outcome;
    },
  };
}
