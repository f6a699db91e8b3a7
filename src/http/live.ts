import { UnavailableError } from '../domain/failure.ts';
import type { MetricsWindow, RecentEvent } from '../metrics-store/metrics-store.ts';
import type { HttpDependencies } from './dependencies.ts';
import { createLiveReceiver, type LiveClient, type LiveReceiver, type LiveSink, message } from './live-receiver.ts';
import { ledgerView, liveMetricsView, readinessView } from './status-views.ts';
import { eventJson } from './views.ts';

/**
 * The live stream behind GET /api/live. One snapshot a tick and window, computed once and serialised once for all
 * clients of that window. Nobody is queued for: a client whose socket is full keeps only the newest snapshot and is
 * told how many events it missed. While nobody listens there is no timer and no subscription.
 */
export interface LiveLimits {
  /** Between two snapshots while something changes, and how much more for each client. */
  readonly snapshotMinMs: number;
  readonly snapshotPerClientMs: number;
  /** Between two snapshots while nothing does: lag and windows move on by themselves. */
  readonly snapshotIdleMs: number;
  /** The ledger asks the store and the log, which costs more than all else of a tick. */
  readonly ledgerEveryMs: number;
  readonly clientsMax: number;
  readonly eventsPerTick: number;
  readonly eventBytesPerTick: number;
  /** A client that takes nothing for so long is gone, or holds a place that another could have. */
  readonly stalledMs: number;
}

type Sources = Pick<HttpDependencies, 'metrics' | 'operations' | 'readiness' | 'telemetry'>;

export function createLive({ metrics, operations, readiness, telemetry }: Sources, limits: LiveLimits) {
  const clients = new Map<LiveReceiver, MetricsWindow>();
  /** First snapshots under way: clients that come together share one. */
  const greetings = new Map<MetricsWindow, ReturnType<typeof takeSnapshots>>();
  /** What could be read last, so that readiness is told, and stays true, while the stores are away. */
  const lastMetrics = new Map<MetricsWindow, string>();
  let lastLedger = 'null';
  /** As `lastTickAt`. */
  let ledgerReadAt = Number.NEGATIVE_INFINITY;
  /** Nothing has ever come: the first event is told at once, since everything a client shows changes with it. */
  let isLedgerEmpty = true;
  /** The last tick told one that was read before it. */
  let toldOldLedger = false;
  let unsubscribe: (() => void) | null = null;
  let timer: NodeJS.Timeout | null = null;
  let ticking = false;
  let isClosed = false;
  let changed = false;
  /** By performance.now(): a wall clock that is set back must not stop the ticks. */
  let lastTickAt = 0;
  let fresh: RecentEvent[] = [];
  let freshCount = 0;
  /** Events stored in all time as of the last tick; null before the first since somebody listens. */
  let storedBefore: number | null = null;

  function start(): void {
    lastTickAt = performance.now();
    storedBefore = null;
    unsubscribe = metrics.subscribe(({ recent }) => {
      freshCount += recent.length;
      fresh = [...recent, ...fresh].slice(0, limits.eventsPerTick);
      if (!changed) {
        changed = true;
        schedule();
      }
    });
    schedule();
  }

  function stop(): void {
    unsubscribe?.();
    unsubscribe = null;
    if (timer) clearTimeout(timer);
    timer = null;
    fresh = [];
    freshCount = 0;
    changed = false;
    lastMetrics.clear();
    lastLedger = 'null';
    isLedgerEmpty = true;
    toldOldLedger = false;
  }

  function schedule(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    if (ticking || clients.size === 0) return;
    timer = setTimeout(() => void tick(), Math.max(0, nextTickAt() - performance.now()));
  }

  function nextTickAt(): number {
    const idleAt = lastTickAt + limits.snapshotIdleMs;
    const soonestAt = lastTickAt + limits.snapshotMinMs + clients.size * limits.snapshotPerClientMs;
    if (changed) return Math.min(soonestAt, idleAt);
    // What the ledger has had since is told as soon as it may be read.
    return toldOldLedger ? Math.min(Math.max(soonestAt, ledgerReadAt + limits.ledgerEveryMs), idleAt) : idleAt;
  }

  async function tick(): Promise<void> {
    timer = null;
    ticking = true;
    lastTickAt = performance.now();
    changed = false;
    const events = sample(fresh);
    const eventCount = freshCount;
    fresh = [];
    freshCount = 0;
    try {
      const windows = new Set(clients.values());
      const { snapshots, stored, hasOldLedger } = await takeSnapshots(windows);
      toldOldLedger = hasOldLedger;
      for (const [client, window] of clients) sendIfTaken(client, snapshots.get(window));
      // The store announces only the newest few of each batch; the totals tell how many there were.
      const total = stored === null || storedBefore === null ? eventCount : Math.max(eventCount, stored - storedBefore);
      if (stored !== null) storedBefore = stored;
      if (total > 0) {
        const json = events.map(eventJson).join(',');
        for (const client of clients.keys()) client.sendEvents(json, events.length, total - events.length);
      }
      for (const client of clients.keys()) client.destroyIfStalled(lastTickAt, limits.stalledMs);
    } finally {
      ticking = false;
      schedule();
    }
  }

  async function takeSnapshots(windows: ReadonlySet<MetricsWindow>) {
    const now = Date.now();
    const snapshots = new Map<MetricsWindow, Uint8Array>();
    let stored: number | null = null;
    const hasOldLedger = isLedgerFresh();
    const ledgerRead = hasOldLedger ? null : readOrRepeat(readLedger);
    const metricsRead = readOrRepeat(async () => {
      const lagSeconds = await operations.lagSeconds();
      for (const window of windows) {
        const reading = await metrics.read(window, now);
        stored ??= reading.allTime.total;
        lastMetrics.set(window, JSON.stringify(liveMetricsView(window, reading, lagSeconds, now)));
      }
    });
    const [ready] = await Promise.all([readiness(), ledgerRead, metricsRead]);
    const readinessJson = JSON.stringify(readinessView(ready));
    for (const window of windows) {
      const parts = `"metrics":${lastMetrics.get(window) ?? 'null'},"ledger":${lastLedger},"readiness":${readinessJson}`;
      snapshots.set(window, Buffer.from(message('snapshot', `{${parts}}`)));
    }
    return { snapshots, stored, hasOldLedger };
  }

  function isLedgerFresh(): boolean {
    return !isLedgerEmpty && performance.now() - ledgerReadAt < limits.ledgerEveryMs;
  }

  async function readLedger(): Promise<void> {
    ledgerReadAt = performance.now();
    const view = ledgerView(await operations.ledger());
    isLedgerEmpty = view.appended === 0;
    lastLedger = JSON.stringify(view);
  }

  /** A store that is away is told by readiness, beside the last numbers there were; their as_of tells their age. */
  async function readOrRepeat(read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (!(error instanceof UnavailableError)) announce(error);
    }
  }

  /** The newest, as many as a tick may show. */
  function sample(events: readonly RecentEvent[]): readonly RecentEvent[] {
    let bytes = 0;
    const shown = events.findIndex(({ payloadJson }) => {
      bytes += payloadJson.length;
      return bytes > limits.eventBytesPerTick;
    });
    return shown < 0 ? events : events.slice(0, Math.max(1, shown));
  }

  function announce(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? String(error)) : String(error);
    telemetry.emit('request.failed', { requestId: '', method: 'GET', route: '/api/live', error: text });
  }

  /** The first messages of a client: it sees where things stand without waiting for a tick. */
  async function greet(client: LiveReceiver, window: MetricsWindow): Promise<void> {
    const taking = greetings.get(window) ?? takeSnapshots(new Set([window])).finally(() => greetings.delete(window));
    greetings.set(window, taking);
    const { snapshots, stored } = await taking;
    storedBefore ??= stored;
    sendIfTaken(client, snapshots.get(window));
    const recent = sample(await metrics.recent(limits.eventsPerTick).catch(() => []));
    if (recent.length > 0) client.sendEvents(recent.map(eventJson).join(','), recent.length, 0);
  }

  function hasRoom(): boolean {
    return !isClosed && clients.size < limits.clientsMax;
  }

  function connect(window: MetricsWindow, sink: LiveSink): LiveClient {
    const client = createLiveReceiver(sink, () => {
      clients.delete(client);
      if (clients.size === 0) stop();
    });
    sink.write(`retry: ${limits.snapshotIdleMs}\n\n`);
    clients.set(client, window);
    if (clients.size === 1) start();
    void greet(client, window);
    return client;
  }

  function close(): void {
    isClosed = true;
    for (const client of clients.keys()) client.end();
    clients.clear();
    stop();
  }

  return { hasRoom, connect, close };
}

/** One that came while a tick was taking snapshots of other windows has its own from its greeting. */
function sendIfTaken(client: LiveReceiver, snapshot: Uint8Array | undefined): void {
  if (snapshot !== undefined) client.send(snapshot);
}
