/**
 * Everything that happens, as a typed list. The core announces; logs, Prometheus and traces listen. Adding a listener
 * never changes what the core does: a listener that throws is reported and skipped.
 *
 * Payloads are plain data, so that a worker thread's events can be passed on to the main thread.
 */
export interface TelemetryEvents {
  'process.started': { readonly role: string; readonly readyMs: number };
  'process.unstarted': { readonly error: string };
  /** Whoever reaches this address may read and change everything: there is no authentication in the server. */
  'process.exposed': { readonly host: string; readonly advice: string };
  'process.stopping': { readonly reason: string };
  'process.stopped': { readonly forced: boolean };

  /** Something the process works with is not there at its start and is waited for. */
  'part.waiting': OfThread & {
    readonly part: PartName;
    readonly reason: string;
    readonly retryInMs: number;
    readonly attempt: number;
  };
  'part.opened': OfThread & { readonly part: PartName; readonly waitedMs: number };
  /** Told at the first look that gets no answer, and at the first one that does again. */
  'part.away': { readonly part: PartName; readonly reason: string };
  'part.back': { readonly part: PartName; readonly awayMs: number };
  /** Nothing is taken in until an operator has looked. */
  'log.replaced': { readonly message: string };
  'log.recognised': { readonly logId: string };

  'request.failed': {
    readonly requestId: string;
    readonly method: string;
    readonly route: string;
    readonly error: string;
  };
  'request.completed': {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly durationMs: number;
  };
  /**
   * More comes in than the thread that serves HTTP can do: what is over this many requests under way is refused, or no
   * longer.
   */
  'overload.began': OfThread & { readonly underWayMax: number };
  'overload.ended': OfThread & { readonly underWayMax: number };
  /** Refused for that, before anything of it was read. */
  'request.shed': { readonly route: string };
  /** One of several that serve HTTP ended by itself, and is started anew. */
  'http_thread.ended': { readonly thread: string; readonly message: string };
  /** The log has a group of records. `late`: those whose clients had been told to send them again by then. */
  'ingest.appended': {
    readonly events: number;
    readonly late: number;
    readonly bytes: number;
    readonly durationMs: number;
  };
  /** The log failed, or had not answered by the deadline; of each client is told by `ingest.unconfirmed`. */
  'append.failed': { readonly events: number; readonly error: string };
  // What clients were told, each event once: appended in time, unconfirmed, rejected, or refused with its whole
  // request.
  'ingest.refused': { readonly code: string; readonly events: number };
  'ingest.unconfirmed': { readonly events: number };
  'ingest.rejected': { readonly events: number; readonly code: string };

  /** What it does for all its partitions, such as joining the group, waits before it is tried again. */
  'worker.paused': { readonly reason: string; readonly retryInMs: number; readonly attempt: number };
  /** Its thread ended by itself, and is started anew. */
  'worker.ended': { readonly message: string };
  'partition.claimed': { readonly partition: number; readonly ownerEpoch: number; readonly nextOffset: number };
  'partition.paused': {
    readonly partition: number;
    readonly reason: string;
    readonly retryInMs: number;
    readonly attempt: number;
  };
  'partition.resumed': { readonly partition: number };
  'partition.fenced': { readonly partition: number };
  'partition.halted': {
    readonly partition: number;
    readonly reason: 'log_replaced' | 'log_damaged' | 'bug';
    readonly message: string;
  };
  'partition.bisecting': { readonly partition: number; readonly records: number; readonly reason: string };
  'gap.lost': {
    readonly partition: number;
    readonly from: number;
    readonly to: number;
    /** `trimmed`: it had left the log. `given_up`: it was damaged, and an operator gave it up. */
    readonly reason: 'trimmed' | 'given_up';
  };
  'gap.skipped': { readonly partition: number; readonly from: number; readonly to: number };

  'batch.committed': {
    readonly partition: number;
    readonly records: number;
    readonly stored: number;
    readonly duplicate: number;
    readonly failed: number;
    readonly lost: number;
    readonly skipped: number;
    readonly durationMs: number;
    /** received_at → stored_at of each stored event, as histogram pairs. */
    readonly latencies: readonly (readonly [bucket: number, count: number])[];
    readonly alreadyCommitted: boolean;
  };
  'inbox.added': { readonly partition: number; readonly code: string; readonly count: number };
  /** Inbox rows are on the failed topic. */
  'failed.published': { readonly partition: number; readonly count: number };
  'failed.unpublished': {
    readonly partition: number;
    readonly reason: string;
    readonly retryInMs: number;
    readonly attempt: number;
  };
  'maintenance.done': {
    readonly partition: number;
    readonly prunedRows: number;
    /** Settled failed events. */
    readonly prunedFailed: number;
    readonly foldedRows: number;
  };
  /** The log's consumer group: what of it is this process's, and what is in the way. */
  'group.joined': { readonly group: string; readonly generation: number; readonly partitions: readonly number[] };
  'group.ended': { readonly group: string; readonly reason: string };
  /** It is tried again until it succeeds; told once for each reason. */
  'group.unavailable': { readonly group: string; readonly error: string };
  /** The wall clock is far ahead of where it should be: retention does not follow it for a while. */
  'clock.ahead': { readonly aheadMs: number; readonly followedInMs: number };
  'clock.followed': Record<string, never>;
  /** Metrics are made anew: they may have forgotten steps that windows show again. */
  'clock.set_back': { readonly partition: number; readonly byMs: number };
  /**
   * Files in the log's directory that have no part in it: of other names, or, of what was given up, one that can't be
   * read.
   */
  'log.files_ignored': {
    readonly directory: string;
    readonly names: readonly string[];
    readonly reason: 'strays' | 'damaged';
  };
  /** A start has found the last append only in part: a crash has torn it, so it was not answered. */
  'log.cut_off': { readonly path: string; readonly at: number };
  'log.trimmed': { readonly partition: number; readonly below: number };
  /** Nothing was removed for now; it is tried again when it is due again. */
  'log.untrimmed': { readonly reason: string };

  'metrics.rebuilt': { readonly partition: number; readonly reason: string; readonly durationMs: number };
  'metrics.unavailable': { readonly partition: number; readonly error: string };

  /** A bug kept a redrive job from saving how far it is. */
  'job.unsaved': { readonly error: string };
  'jobs.ended': { readonly count: number };
  /** Jobs of a process that has ended may still be told as running; it is tried again. */
  'jobs.unended': { readonly error: string };
  'redrive.finished': { readonly jobId: string; readonly redriven: number; readonly failed: number };
  'disk.full': { readonly freeBytes: number; readonly floorBytes: number };
  'disk.recovered': { readonly freeBytes: number };
  /** A step of a stop; the next one is taken all the same. */
  'stop.failed': { readonly step: string; readonly error: string };
  'listener.failed': { readonly event: string; readonly error: string };
}

/** What each thread tells for itself. */
export interface OfThread {
  /** Its name; the main thread does not say. */
  readonly thread?: string;
}

export const workerThread = 'worker';

/** The parts that may be away. */
export type PartName = 'log' | 'store' | 'metrics' | 'failed_topic';

export type TelemetryEventName = keyof TelemetryEvents;

export interface Telemetry {
  emit<Name extends TelemetryEventName>(name: Name, payload: TelemetryEvents[Name]): void;
  on<Name extends TelemetryEventName>(name: Name, listener: (payload: TelemetryEvents[Name]) => void): void;
  /** Every event, for logs and for passing on. */
  onAny(listener: (name: TelemetryEventName, payload: TelemetryEvents[TelemetryEventName]) => void): void;
}

export function createTelemetry(): Telemetry {
  type AnyListener = (name: TelemetryEventName, payload: never) => void;
  const listeners = new Map<TelemetryEventName, AnyListener[]>();
  const anyListeners: AnyListener[] = [];

  function call(listener: AnyListener, name: TelemetryEventName, payload: unknown): void {
    try {
      listener(name, payload as never);
    } catch (error) {
      // Not through emit again for the failing event itself: a broken listener of 'listener.failed' must not recurse.
      if (name !== 'listener.failed') emit('listener.failed', { event: name, error: String(error) });
    }
  }

  function emit<Name extends TelemetryEventName>(name: Name, payload: TelemetryEvents[Name]): void {
    for (const listener of listeners.get(name) ?? []) call(listener, name, payload);
    for (const listener of anyListeners) call(listener, name, payload);
  }

  return {
    emit,
    on(name, listener) {
      const list = listeners.get(name) ?? [];
      list.push((_name, payload) => listener(payload));
      listeners.set(name, list);
    },
    onAny(listener) {
      anyListeners.push(listener as AnyListener);
    },
  };
}
