import { backoffMs } from '../domain/backoff.ts';
import { limits } from '../domain/limits.ts';
import type { FailedTopic } from '../event-log/failed-topic.ts';
import type { InboxPublication } from '../event-store/event-store.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { toFailedRecord } from './failed-record.ts';

/**
 * Puts inbox rows on the failed topic, for whoever listens there: in the order of their positions, at least once, by
 * the partition's owner. It follows the commits and never holds one up: a topic that is away is tried again, and what
 * an owner did not get to is published by the next one, since the store knows how far it came.
 */
export interface FailurePublisher {
  /** Called at every claim, and after every commit that has, or may have, added to the inbox. Returns at once. */
  notice(partition: number): void;
  /** The partition is, or may be, somebody else's: nothing more of it is begun. */
  release(partition: number): void;
  /** Begins nothing more, and resolves when what runs has ended. */
  stop(): Promise<void>;
}

export interface FailurePublisherOptions {
  readonly store: InboxPublication;
  readonly topic: Pick<FailedTopic, 'publish'>;
  /** The name of the log, for who reads the failed topic. */
  readonly originTopic: string;
  readonly consumer: string;
  readonly telemetry: Telemetry;
  readonly random: () => number;
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

interface PartitionState {
  isDue: boolean;
  running: Promise<void> | null;
  released: AbortController;
}

export function createFailurePublisher(options: FailurePublisherOptions): FailurePublisher {
  const { store, topic, consumer, telemetry } = options;
  const states = new Map<number, PartitionState>();
  let isStopping = false;

  function stateOf(partition: number): PartitionState {
    let state = states.get(partition);
    if (state === undefined) {
      state = { isDue: false, running: null, released: new AbortController() };
      states.set(partition, state);
    }
    return state;
  }

  /** Runs until nothing is due, or the partition is released. Never rejects. */
  async function drain(partition: number, state: PartitionState): Promise<void> {
    for (let attempt = 0; state.isDue && !state.released.signal.aborted; ) {
      state.isDue = false;
      try {
        while (await publishSome(partition)) {
          attempt = 0;
          if (state.released.signal.aborted) return;
        }
      } catch (error) {
        state.isDue = true;
        const retryInMs = backoffMs(attempt, options.random());
        // Whatever it is, also a bug: the rows are in the inbox, and storing goes on without this.
        telemetry.emit('failed.unpublished', { partition, reason: String(error), retryInMs, attempt });
        attempt += 1;
        await options.pause(retryInMs, state.released.signal).catch(() => undefined);
      }
    }
  }

  /** @returns whether there may be more */
  async function publishSome(partition: number): Promise<boolean> {
    const entries = await store.unpublished(consumer, partition, {
      recordsMax: limits.publishRecordsMax,
      bytesMax: limits.publishBytesMax,
    });
    const last = entries.at(-1);
    if (last === undefined) return false;
    await topic.publish(entries.map((entry) => toFailedRecord(entry, options.originTopic)));
    await store.markPublished(consumer, last.position);
    telemetry.emit('failed.published', { partition, count: entries.length });
    return true;
  }

  return {
    notice(partition) {
      if (isStopping) return;
      const state = stateOf(partition);
      if (state.released.signal.aborted) state.released = new AbortController();
      state.isDue = true;
      start(partition, state);
    },
    release(partition) {
      const state = states.get(partition);
      if (state === undefined) return;
      state.isDue = false;
      state.released.abort(new Error('the partition was released'));
    },
    async stop() {
      isStopping = true;
      for (const state of states.values()) state.released.abort(new Error('the publisher stops'));
      await Promise.all([...states.values()].map(({ running }) => running));
    },
  };

  function start(partition: number, state: PartitionState): void {
    state.running ??= drain(partition, state).then(() => {
      state.running = null;
      // Noticed anew after the loop had looked for the last time.
      if (state.isDue && !state.released.signal.aborted) start(partition, state);
    });
  }
}
