import { backoffMs } from '../../domain/backoff.ts';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { MetricsChange, MetricsWatermark } from '../metrics-store.ts';
import type { RedisTarget } from './address.ts';
import { replyCode } from './errors.ts';
import { type RedisLink, type Subscription, subscribe } from './link.ts';
import { pause } from './pause.ts';

export type Listener = (change: MetricsChange) => void;

/**
 * Live updates: what `apply` and a rebuild publish, to every process that listens. Pub/Sub, at most once; whenever the
 * subscription is up (again), listeners are told of every partition that is not where they last heard of it. Nothing is
 * subscribed while nobody listens.
 *
 * One channel for all partitions, not a sharded one for each: it is a few kilobytes a batch, which a cluster's nodes
 * can pass on to each other, and there is one subscription to keep, at any node, whatever moves.
 */
export interface Changes {
  subscribe(listener: Listener): () => void;
  /** Resolves when what happens from now on reaches the listeners there are: at once, but for the first moments. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export interface ChangesOptions {
  readonly target: RedisTarget;
  readonly link: RedisLink;
  readonly channel: string;
  /** Where every partition is now. */
  readonly watermarks: () => Promise<ReadonlyMap<number, MetricsWatermark>>;
}

export function createChanges({ target, link, channel, watermarks }: ChangesOptions): Changes {
  const listeners = new Set<Listener>();
  const lastTokens = new Map<number, string>();
  let subscription: Subscription | null = null;
  let settled: Promise<void> = Promise.resolve();

  function tell(change: MetricsChange): void {
    const { partition, watermark, recent } = change;
    if (recent.length === 0 && lastTokens.get(partition) === watermark.commitToken) return;
    lastTokens.set(partition, watermark.commitToken);
    for (const listener of listeners) listener(change);
  }

  /** True: done. */
  async function look(): Promise<boolean> {
    try {
      for (const [partition, watermark] of await watermarks()) tell({ partition, watermark, recent: [] });
      return true;
    } catch (error) {
      if (!(error instanceof UnavailableError) && replyCode(error) === null) throw error;
      return false;
    }
  }

  /** The subscription may be up before the connection that answers is. */
  async function lookUntilDone(first: Promise<boolean>, signal: AbortSignal): Promise<void> {
    let isDone = await first;
    for (let attempt = 0; !isDone && !signal.aborted; attempt += 1) {
      await pause(backoffMs(attempt, Math.random(), limits.redisReconnectMaxMs), signal);
      if (!signal.aborted) isDone = await look();
    }
  }

  function start(): Subscription {
    let looking = new AbortController();
    let firstLook: Promise<unknown> = Promise.resolve();
    const subscription = subscribe(
      target,
      link,
      channel,
      (message) => {
        const change = parseChange(message);
        if (change !== null) tell(change);
      },
      () => {
        looking.abort();
        looking = new AbortController();
        const first = look();
        firstLook = first;
        void lookUntilDone(first, looking.signal);
      },
    );
    settled = subscription.started.then(async () => void (await firstLook));
    return {
      started: subscription.started,
      close() {
        looking.abort();
        return subscription.close();
      },
    };
  }

  async function stop(): Promise<void> {
    const stopped = subscription?.close();
    subscription = null;
    lastTokens.clear();
    settled = Promise.resolve();
    await stopped;
  }

  return {
    subscribe(listener) {
      listeners.add(listener);
      subscription ??= start();
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) void stop();
      };
    },
    settled: () => settled,
    close() {
      listeners.clear();
      return stop();
    },
  };
}

/** Null of what somebody else has published. */
function parseChange(message: string): MetricsChange | null {
  try {
    return JSON.parse(message) as MetricsChange;
  } catch {
    return null;
  }
}

/** The beginning of a message; the texts of its events and `]}` make it whole. */
export function messageStart(partition: number, { logNo, nextOffset, commitToken }: MetricsWatermark): string {
  return `{"partition":${partition},"watermark":${JSON.stringify({ logNo, nextOffset, commitToken })},"recent":[`;
}
