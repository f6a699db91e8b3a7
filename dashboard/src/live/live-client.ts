import type { LiveSnapshot } from '../../../src/http/contract.ts';
import type { Event, LiveEventBatch } from '../api/shapes.ts';
import { parseWithRawPayloads } from '../json/json-text.ts';

/**
 * The one live connection of the page.
 *
 *   connecting ──snapshot──▶ live ──6 s without one──▶ stale ──snapshot──▶ live
 *        └──error──▶ reconnecting ◀──error, or stale for 20 s──┘
 *   any ──hidden for a minute──▶ paused ──shown──▶ reconnecting
 *
 * Reconnecting is ours and not EventSource's own: that one gives up for good on an answer such as 503, and tells nobody
 * when it will try.
 */
export type Connection =
  | { readonly state: 'connecting' | 'live' | 'paused' }
  /** Milliseconds since the epoch: of the loss, or of the last snapshot. */
  | { readonly state: 'reconnecting' | 'stale'; readonly since: number };

export interface LiveState {
  readonly connection: Connection;
  readonly snapshot: LiveSnapshot | null;
  /** Newest first. */
  readonly recent: readonly Event[];
  /** Events that the server left out of `recent` since the page was opened. */
  readonly leftOut: number;
}

export interface LiveSource {
  addEventListener(type: string, listener: (message: { readonly data?: unknown }) => void): void;
  close(): void;
}

export interface LiveClientOptions {
  readonly openSource: (window: string) => LiveSource;
  /** Asked at every (re)connection, for what came while nobody listened. */
  readonly loadRecent: () => Promise<readonly Event[]>;
  /** Runs the callback before the next paint. */
  readonly onFrame: (callback: () => void) => void;
  readonly now: () => number;
  readonly window: string;
}

export interface LiveClient {
  getState(): LiveState;
  subscribe(listener: () => void): () => void;
  setWindow(window: string): void;
  /** Tells whether anybody can see the page. */
  setVisible(isVisible: boolean): void;
  close(): void;
}

export const staleAfterMs = 6_000;
const reopenAfterMs = 20_000;
const pauseAfterMs = 60_000;
const retryFirstMs = 500;
const retryMaxMs = 5_000;
const recentKept = 50;

export function createLiveClient(options: LiveClientOptions): LiveClient {
  const { now } = options;
  const listeners = new Set<() => void>();
  let state: LiveState = { connection: { state: 'connecting' }, snapshot: null, recent: [], leftOut: 0 };
  let shown = state;
  let isFrameDue = false;
  let source: LiveSource | null = null;
  let window = options.window;
  let attempt = 0;
  let lastSnapshotAt = now();
  let retryTimer: ReturnType<typeof setTimeout> | undefined;
  let pauseTimer: ReturnType<typeof setTimeout> | undefined;

  /** However much arrives between two frames, the page is drawn once. */
  function change(part: Partial<LiveState>): void {
    state = { ...state, ...part };
    if (isFrameDue) return;
    isFrameDue = true;
    options.onFrame(() => {
      isFrameDue = false;
      shown = state;
      for (const listener of listeners) listener();
    });
  }

  function takeEvents(events: readonly Event[], leftOut: number): void {
    const known = new Set(state.recent.map((event) => event.id));
    const fresh = events.filter((event) => !known.has(event.id));
    if (fresh.length === 0 && leftOut === 0) return;
    const recent = [...fresh, ...state.recent]
      .sort((a, b) => (a.received_at < b.received_at ? 1 : a.received_at > b.received_at ? -1 : 0))
      .slice(0, recentKept);
    change({ recent, leftOut: state.leftOut + leftOut });
  }

  function open(): void {
    clearTimeout(retryTimer);
    source?.close();
    const opened = options.openSource(window);
    source = opened;
    lastSnapshotAt = now();
    const whileOpen = (listener: (data: unknown) => void) => (message: { readonly data?: unknown }) => {
      if (source === opened) listener(message.data);
    };
    opened.addEventListener(
      'snapshot',
      whileOpen((data) => takeSnapshot(String(data))),
    );
    opened.addEventListener(
      'event',
      whileOpen((data) => {
        const batch = parseWithRawPayloads(String(data)) as LiveEventBatch;
        takeEvents(batch.events, batch.left_out);
      }),
    );
    opened.addEventListener('error', whileOpen(lose));
  }

  function takeSnapshot(data: string): void {
    lastSnapshotAt = now();
    if (state.connection.state !== 'live') {
      attempt = 0;
      void options.loadRecent().then(
        (events) => takeEvents(events, 0),
        () => undefined,
      );
    }
    change({ snapshot: JSON.parse(data) as LiveSnapshot, connection: { state: 'live' } });
  }

  function lose(): void {
    source?.close();
    source = null;
    if (state.connection.state !== 'reconnecting') change({ connection: { state: 'reconnecting', since: now() } });
    const delayMs = Math.min(retryMaxMs, retryFirstMs * 2 ** attempt);
    attempt += 1;
    clearTimeout(retryTimer);
    // Half to whole: the pages of one server that comes back do not all knock in the same moment.
    retryTimer = setTimeout(open, delayMs * (0.5 + Math.random() / 2));
  }

  const watch = setInterval(() => {
    if (source === null) return;
    const silentMs = now() - lastSnapshotAt;
    if (state.connection.state === 'live' && silentMs > staleAfterMs) {
      change({ connection: { state: 'stale', since: lastSnapshotAt } });
    } else if (silentMs > reopenAfterMs) lose();
  }, 1_000);

  function pause(): void {
    clearTimeout(retryTimer);
    source?.close();
    source = null;
    change({ connection: { state: 'paused' } });
  }

  open();
  return {
    getState: () => shown,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    setWindow(next) {
      if (next === window) return;
      window = next;
      if (source !== null) open();
    },
    setVisible(isVisible) {
      clearTimeout(pauseTimer);
      if (!isVisible) pauseTimer = setTimeout(pause, pauseAfterMs);
      else if (source === null) {
        attempt = 0;
        if (state.connection.state === 'paused') change({ connection: { state: 'reconnecting', since: now() } });
        open();
      }
    },
    close() {
      clearTimeout(retryTimer);
      clearTimeout(pauseTimer);
      clearInterval(watch);
      source?.close();
      source = null;
      listeners.clear();
    },
  };
}
