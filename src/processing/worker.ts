import { backoffAfter, backoffMs } from '../domain/backoff.ts';
import { DamagedError, tellFailure, UnavailableError } from '../domain/failure.ts';
import { storeConsumer } from '../domain/inbox.ts';
import { limits } from '../domain/limits.ts';
import type { LogAssignment, LogConsumer, LogReader } from '../event-log/event-log.ts';
import type { EventReader, EventWriter, PartitionProgress } from '../event-store/event-store.ts';
import { claimPartition, findReplacements } from './claim-partition.ts';
import { recordOrDamage } from './damage.ts';
import { type LoopEnd, type PartitionLoopOptions, runPartitionLoop } from './partition-loop.ts';
import type { FailurePublisher } from './publish-failures.ts';
import { cachedFor } from './unread.ts';

/**
 * The worker: joins the group, and for every assignment claims each partition, checks its log, and runs one loop a
 * partition over one stream.
 *
 *   join ─▶ assigned ─▶ claim + check each ─▶ open one stream ─▶ a loop a partition
 *              ▲             │ log replaced: halted, said, the others go on      │ log damaged: the same
 *              │             ▼                                                   ▼ fenced or reopen: all loops end,
 *              └──── assignment over ◀──── confirm with the group, back off ◀──── claim anew
 */
export interface Worker {
  /** Joins and works until `stop`. Rejects only for a bug in the worker itself. */
  run(): Promise<void>;
  /** Finishes the transactions that run, leaves the group. */
  stop(): Promise<void>;
  /** Partition → why it is not worked on. */
  halted(): ReadonlyMap<number, HaltedPartition>;
}

export interface HaltedPartition {
  readonly reason: 'log_replaced' | 'log_damaged' | 'bug';
  readonly message: string;
  /** Of a bug: when it is tried again, by `elapsed`. It may have been of the store's making, and be gone. */
  readonly againAt?: number;
  /** The last record that can't be read: the first may be stored already, and trimmed some day. */
  readonly damagedAt?: number;
}

export interface WorkerOptions extends PartitionLoopOptions {
  readonly log: LogReader;
  readonly store: EventWriter & Pick<EventReader, 'progress' | 'ledger'>;
  readonly failures?: Omit<FailurePublisher, 'stop'> | null;
  readonly consumer?: string;
  /** Told after every claim round, and when a partition is halted: which are worked on and which are halted. */
  readonly onClaimed?: (working: readonly number[], halted: ReadonlyMap<number, HaltedPartition>) => void;
}

/** Rounds that end at once wait longer and longer before the next claim, 3.2 s at most. */
const quickEndsMax = 4;

interface Claimed {
  readonly progress: PartitionProgress;
  readonly logStart: number;
}

export function createWorker(options: WorkerOptions): Worker {
  const { log, store, feed, telemetry } = options;
  const consumerName = options.consumer ?? storeConsumer;
  const stopping = new AbortController();
  const halted = new Map<number, HaltedPartition>();
  /** How often a bug has halted each partition. */
  const bugs = new Map<number, number>();
  let consumer: LogConsumer | null = null;
  let running: Promise<void> | null = null;
  /** The work on the present assignment. */
  let working: Promise<void> = Promise.resolve();

  async function run(): Promise<void> {
    consumer = await retrying('join', () => log.join(), stopping.signal);
    if (stopping.signal.aborted) return consumer.close();
    for await (const assignment of consumer.assignments()) {
      const signal = AbortSignal.any([assignment.ended, stopping.signal]);
      working = workAssignment(assignment, signal).catch((error) => {
        if (!signal.aborted) throw error;
      });
      await working;
      if (stopping.signal.aborted) return;
    }
  }

  async function workAssignment(assignment: LogAssignment, signal: AbortSignal): Promise<void> {
    // What is somebody else's now is halted by whoever has it, if it still has to be.
    for (const partition of [...halted.keys()]) {
      if (!assignment.partitions.includes(partition)) halted.delete(partition);
    }
    let quickEnds = 0;
    while (!signal.aborted) {
      const startedAt = options.elapsed();
      await workOnce(assignment, signal);
      quickEnds =
        options.elapsed() - startedAt > backoffMs(quickEndsMax, 1) ? 0 : Math.min(quickEnds + 1, quickEndsMax);
      await options.pause(backoffMs(quickEnds, options.random()), signal);
      // Never from this client's own idea of its assignment: the group must have confirmed it since.
      await retrying('confirm', () => assignment.confirm(), signal);
    }
  }

  /** Works until a loop ends by itself. */
  async function workOnce(assignment: LogAssignment, signal: AbortSignal): Promise<void> {
    const claimed = new Map<number, Claimed>();
    const describe = cachedFor(limits.describedForMs, options.elapsed, () => log.describe());
    for (const partition of assignment.partitions) {
      const claim = await claimOne(partition, describe, signal);
      if (claim !== null) claimed.set(partition, claim);
    }
    const tell = () =>
      options.onClaimed?.(
        [...claimed.keys()].filter((partition) => !halted.has(partition)),
        halted,
      );
    tell();
    if (claimed.size === 0) return untilMended(signal);
    const offsets = [...claimed].map(([partition, { progress, logStart }]) => {
      return [partition, Math.max(progress.nextOffset, logStart)] as const;
    });
    const stream = await retrying('open', () => assignment.open(new Map(offsets)), signal);
    const round = new AbortController();
    const roundSignal = AbortSignal.any([signal, round.signal]);
    let watching: Promise<void> | null = null;
    const watchHalted = () => {
      if (halted.size > 0) watching ??= claimAnewWhenMended(round, roundSignal);
    };
    watchHalted();
    try {
      const loops = [...claimed].map(async ([partition, { progress, logStart }]) => {
        const end = await guarded(partition, () => runPartitionLoop(options, stream, progress, logStart, roundSignal));
        if (end === 'fenced') telemetry.emit('partition.fenced', { partition });
        // One stream feeds them all: when one has to be claimed anew, all are.
        if (end === 'fenced' || end === 'reopen') round.abort(new Error('claim anew'));
        else if (halted.has(partition)) {
          tell();
          watchHalted();
        }
      });
      await Promise.all(loops).finally(() => round.abort(new Error('the round is over')));
      await watching;
    } finally {
      for (const partition of claimed.keys()) options.failures?.release(partition);
      await stream.close();
    }
  }

  /** Ends the round once a partition that was halted for its log may go on. */
  async function claimAnewWhenMended(round: AbortController, roundSignal: AbortSignal): Promise<void> {
    try {
      await untilMended(roundSignal);
    } catch (error) {
      if (!roundSignal.aborted) throw error;
    }
    round.abort(new Error('claim anew'));
  }

  /**
   * Looks every few seconds whether an operator has adopted the log, or put the right one back. Nothing is claimed for
   * it.
   */
  async function untilMended(signal: AbortSignal): Promise<void> {
    for (;;) {
      await options.pause(limits.haltedCheckEveryMs, signal);
      try {
        if (await isAnyMended()) return;
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
      }
    }
  }

  async function isAnyMended(): Promise<boolean> {
    const replaced = haltedFor('log_replaced');
    if (replaced.length > 0 && (await findReplacements(log, store, consumerName, replaced)).length === 0) return true;
    for (const partition of haltedFor('log_damaged')) if (await isReadable(partition)) return true;
    return haltedFor('bug').some(isDue);
  }

  function haltedFor(reason: HaltedPartition['reason']): number[] {
    return [...halted].flatMap(([partition, halt]) => (halt.reason === reason ? [partition] : []));
  }

  function isDue(partition: number): boolean {
    return options.elapsed() >= (halted.get(partition)?.againAt ?? 0);
  }

  /** Where it was damaged. */
  async function isReadable(partition: number): Promise<boolean> {
    const { damagedAt } = halted.get(partition)!;
    return !((await recordOrDamage(log, partition, damagedAt!)) instanceof DamagedError);
  }

  async function claimOne(
    partition: number,
    describe: LogReader['describe'],
    signal: AbortSignal,
  ): Promise<Claimed | null> {
    const { reason } = halted.get(partition) ?? {};
    if (reason === 'bug' && !isDue(partition)) return null;
    if (reason === 'log_damaged') {
      const isBack = await retrying('read', () => isReadable(partition), signal, partition);
      if (!isBack) return null;
    }
    const outcome = await retrying(
      'claim',
      async () => claimPartition(store, log, consumerName, partition, await describe()),
      signal,
      partition,
    );
    if (outcome.kind === 'log_replaced') {
      halt(partition, 'log_replaced', outcome.message);
      feed.rebuildHalted(partition);
      return null;
    }
    halted.delete(partition);
    const { progress, logStart } = outcome;
    const { ownerEpoch, nextOffset, logNo, commitToken } = progress;
    telemetry.emit('partition.claimed', { partition, ownerEpoch, nextOffset });
    feed.claimed(partition, { logNo, nextOffset, commitToken });
    options.failures?.notice(partition);
    return { progress, logStart };
  }

  /**
   * Damage, or anything else that a loop throws, which is a bug: that partition stops, loudly, and nothing of it is
   * lost.
   */
  async function guarded(partition: number, loop: () => Promise<LoopEnd>): Promise<LoopEnd> {
    try {
      return await loop();
    } catch (error) {
      if (error instanceof UnavailableError) {
        telemetry.emit('partition.paused', { partition, reason: error.message, retryInMs: 0, attempt: 0 });
        return 'reopen';
      }
      if (error instanceof DamagedError) halt(partition, 'log_damaged', error.message, { damagedAt: error.to - 1 });
      else {
        const times = (bugs.get(partition) ?? 0) + 1;
        bugs.set(partition, times);
        const againAt = options.elapsed() + Math.min(limits.bugRetryMaxMs, limits.bugRetryMs * 2 ** (times - 1));
        halt(partition, 'bug', tellFailure(error), { againAt });
      }
      return 'aborted';
    }
  }

  function halt(
    partition: number,
    reason: HaltedPartition['reason'],
    message: string,
    more: Pick<HaltedPartition, 'againAt' | 'damagedAt'> = {},
  ): void {
    halted.set(partition, { reason, message, ...more });
    telemetry.emit('partition.halted', { partition, reason, message });
  }

  /**
   * Waits out whatever is unavailable. Everything else is thrown. Where no partition is named, it is for all of them.
   */
  async function retrying<T>(
    what: string,
    attemptOnce: () => Promise<T>,
    signal: AbortSignal,
    partition?: number,
  ): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      signal.throwIfAborted();
      try {
        return await attemptOnce();
      } catch (error) {
        if (!(error instanceof UnavailableError)) throw error;
        const retryInMs = backoffAfter(error, attempt, options.random());
        const paused = { reason: `${what}: ${error.message}`, retryInMs, attempt };
        if (partition === undefined) telemetry.emit('worker.paused', paused);
        else telemetry.emit('partition.paused', { partition, ...paused });
        await options.pause(retryInMs, signal);
      }
    }
  }

  return {
    run() {
      running ??= run().catch((error) => {
        if (!stopping.signal.aborted) throw error;
      });
      return running;
    },
    async stop() {
      stopping.abort(new Error('the worker stops'));
      // First what runs, then the group: closing it also ends a wait for the next assignment.
      await working.catch(() => undefined);
      await consumer?.close();
      await running;
      await feed.settle();
    },
    halted: () => halted,
  };
}
