import { UnavailableError } from '../../../domain/failure.ts';
import { limits } from '../../../domain/limits.ts';
import { codes, isPassing, refused, unreachable } from '../wire/errors.ts';
import { notLongerThan, pause, retryPauseMs } from '../wire/wait.ts';
import type { Membership } from './coordinator.ts';
import {
  createGeneration,
  type Generation,
  type GenerationOptions,
  isOver,
  type LivingGeneration,
} from './generation.ts';

export interface GroupMember {
  /** Joins for the first time. @throws UnavailableError */
  start(): Promise<void>;
  /** The present generation when nobody has taken it yet, else the next one; null once the member has left. */
  nextGeneration(): Promise<Generation | null>;
  /** The topic has so many partitions now. */
  partitionsChanged(count: number): void;
  leave(): Promise<void>;
}

export interface GroupMemberOptions extends GenerationOptions {
  /** How many partitions the topic has now, asked afresh. */
  readonly countPartitions: () => Promise<number>;
}

/**
 * A member of the group, from the first join until it leaves:
 *
 *   join ─▶ generation ─▶ heartbeats ─▶ over: rebalance │ expelled │ silence │ more partitions ─▶ released ─▶ join …
 *
 * It never gives up: whatever goes wrong, it joins again. An expelled member comes back as a new one.
 */
export function createGroupMember(options: GroupMemberOptions): GroupMember {
  const { coordinator, telemetry, group } = options;
  const leaving = new AbortController();
  let memberId = '';
  let current: LivingGeneration | null = null;
  let untaken: Generation | null = null;
  let taker: PromiseWithResolvers<Generation | null> | null = null;
  let running: Promise<void> = Promise.resolve();

  /** A join that finds the group in motion, or its coordinator just starting, is made again, but not for ever. */
  async function joinOnce(): Promise<Membership> {
    const deadlineAt = performance.now() + limits.kafkaCallTimeoutMs;
    for (let attempt = 0; ; attempt += 1) {
      const joined = await coordinator.join(memberId, options.countPartitions);
      leaving.signal.throwIfAborted();
      if (!('errorCode' in joined)) return joined;
      const { errorCode } = joined;
      // Where the group has taken it in and then gone into motion again: as a new one it would have the others wait for
      // who it was.
      memberId = errorCode === codes.unknownMemberId ? '' : (joined.memberId ?? memberId);
      const mayPass = errorCode === codes.unknownMemberId || isOver(errorCode) || isPassing(errorCode);
      const pauseMs = retryPauseMs(attempt);
      if (!mayPass || performance.now() + pauseMs > deadlineAt) throw refused(`join the group ${group}`, errorCode);
      await pause(pauseMs, leaving.signal);
    }
  }

  async function join(): Promise<LivingGeneration> {
    const membership = await joinOnce();
    memberId = membership.memberId;
    const generation = createGeneration(options, membership, () => {
      // A late answer to an earlier member says nothing about this one.
      if (memberId === membership.memberId) memberId = '';
    });
    telemetry.emit('group.joined', { group, generation: membership.generationId, partitions: membership.partitions });
    current = generation;
    untaken = generation;
    taker?.resolve(generation);
    if (taker !== null) untaken = null;
    taker = null;
    return generation;
  }

  /** Waits until it succeeds, or the member leaves. */
  async function joinAgain(): Promise<LivingGeneration> {
    let told = '';
    for (let attempt = 0; ; attempt += 1) {
      leaving.signal.throwIfAborted();
      try {
        return await join();
      } catch (error) {
        leaving.signal.throwIfAborted();
        const { message } = unreachable(`join the group ${group}`, error);
        if (message !== told) telemetry.emit('group.unavailable', { group, error: message });
        told = message;
        await pause(retryPauseMs(attempt), leaving.signal);
      }
    }
  }

  async function run(first: LivingGeneration): Promise<void> {
    for (let generation = first; ; generation = await joinAgain()) {
      await generation.live();
      telemetry.emit('group.ended', { group, reason: String((generation.ended.reason as Error).message) });
      leaving.signal.throwIfAborted();
      await generation.released();
    }
  }

  return {
    async start() {
      const first = await join();
      // It ends by leaving only.
      running = run(first).catch(() => undefined);
    },
    async nextGeneration() {
      if (leaving.signal.aborted) return null;
      const waiting = untaken;
      untaken = null;
      if (waiting !== null && !waiting.ended.aborted) return waiting;
      taker ??= Promise.withResolvers();
      return taker.promise;
    },
    partitionsChanged(count) {
      current?.partitionsChanged(count);
    },
    async leave() {
      if (leaving.signal.aborted) return running;
      leaving.abort(new UnavailableError('consumer_closed', 'the consumer has left the group'));
      current?.end('consumer_closed', 'the consumer has left the group');
      taker?.resolve(null);
      // What it can't tell the coordinator, the coordinator finds out by the silence.
      if (memberId !== '') await notLongerThan(limits.kafkaGoodbyeMs, coordinator.leave(memberId));
      coordinator.close();
      await running;
    },
  };
}
