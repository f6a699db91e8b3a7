import { type UnavailableCode, UnavailableError } from '../../../domain/failure.ts';
import type { Telemetry } from '../../../telemetry/telemetry.ts';
import { errorName } from '../protocol/error-names.ts';
import { codes, refused, unreachable } from '../wire/errors.ts';
import { notLongerThan, pause, retryPauseMs } from '../wire/wait.ts';
import type { Coordinator, GroupSettings, Membership } from './coordinator.ts';

/**
 * One stay in the group: from a join to the next. It is over as soon as the coordinator says so, or has not been heard
 * of for so long that it may have given the partitions to somebody else.
 */
export interface Generation {
  readonly partitions: readonly number[];
  readonly ended: AbortSignal;
  /** Asks the coordinator now. @throws UnavailableError when it can't be asked, or when this is over */
  confirm(): Promise<void>;
  /** Whether Kafka took them. @throws UnavailableError */
  commit(offsets: ReadonlyMap<number, number>): Promise<boolean>;
  /** Something uses the partitions: the member joins anew only after the promise, if that does not take too long. */
  holdUntil(released: Promise<void>): void;
}

export interface GenerationOptions extends GroupSettings {
  readonly coordinator: Coordinator;
  /** How long the transaction that runs may keep the member from joining anew. */
  readonly releaseMs: number;
  readonly telemetry: Pick<Telemetry, 'emit'>;
}

export interface LivingGeneration extends Generation {
  /** Sends heartbeats until it is over. */
  live(): Promise<void>;
  /** Resolves when nothing uses the partitions any more, or has had long enough to stop. */
  released(): Promise<void>;
  end(code: UnavailableCode, message: string): void;
  partitionsChanged(count: number): void;
}

export function createGeneration(
  options: GenerationOptions,
  membership: Membership,
  onExpelled: () => void,
): LivingGeneration {
  const { coordinator, sessionTimeoutMs, heartbeatMs, telemetry, group } = options;
  const ended = new AbortController();
  const holds = new Set<Promise<void>>();
  /** When the coordinator was last asked what it then answered well. */
  let confirmedAt = performance.now();

  const expiresInMs = () => confirmedAt + sessionTimeoutMs - performance.now();

  function end(code: UnavailableCode, message: string): void {
    if (!ended.signal.aborted) ended.abort(new UnavailableError(code, message));
  }

  /** What Kafka says of this member and generation. */
  function learn(errorCode: number): void {
    if (errorCode === codes.unknownMemberId) onExpelled();
    if (errorCode === codes.unknownMemberId || isOver(errorCode)) end('assignment_ended', errorName(errorCode));
  }

  async function heartbeat(): Promise<number> {
    if (expiresInMs() <= 0) {
      end('assignment_ended', `the group's coordinator was not heard of for ${sessionTimeoutMs} ms`);
    }
    ended.signal.throwIfAborted();
    const askedAt = performance.now();
    const errorCode = await coordinator.heartbeat(membership, Math.min(heartbeatMs, Math.max(1, expiresInMs())));
    if (errorCode === 0) confirmedAt = Math.max(confirmedAt, askedAt);
    learn(errorCode);
    ended.signal.throwIfAborted();
    return errorCode;
  }

  async function live(): Promise<void> {
    let failures = 0;
    let told = '';
    while (!ended.signal.aborted) {
      const pauseMs = failures === 0 ? heartbeatMs : retryPauseMs(failures - 1);
      try {
        await pause(Math.max(0, Math.min(pauseMs, expiresInMs())), ended.signal);
        const errorCode = await heartbeat();
        if (errorCode !== 0) throw refused(`stay in the group ${group}`, errorCode);
        failures = 0;
        told = '';
      } catch (error) {
        if (ended.signal.aborted) return;
        failures += 1;
        const { message } = unreachable(`stay in the group ${group}`, error);
        // Once for each reason, not once for each attempt.
        if (message !== told) telemetry.emit('group.unavailable', { group, error: message });
        told = message;
      }
    }
  }

  return {
    partitions: membership.partitions,
    ended: ended.signal,
    live,
    end,
    async confirm() {
      const errorCode = await heartbeat();
      if (errorCode !== 0) throw refused(`stay in the group ${group}`, errorCode);
    },
    async commit(offsets) {
      const errorCode = await coordinator.commit(membership, offsets);
      learn(errorCode);
      return errorCode === 0;
    },
    holdUntil(released) {
      holds.add(released);
      void released.finally(() => holds.delete(released));
    },
    async released() {
      await notLongerThan(options.releaseMs, Promise.all(holds));
    },
    partitionsChanged(count) {
      const shared = membership.partitionsShared;
      if (shared !== null && shared !== count)
        end('assignment_ended', `the topic has ${count} partitions instead of ${shared}`);
    },
  };
}

/** The group has moved on without this generation. */
export function isOver(errorCode: number): boolean {
  return errorCode === codes.rebalanceInProgress || errorCode === codes.illegalGeneration;
}
