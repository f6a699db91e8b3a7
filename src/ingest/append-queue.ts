import { UnavailableError } from '../domain/failure.ts';
import type { AppendedAt, LogAppender, RecordToAppend } from '../event-log/event-log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { UnconfirmedCode } from './ingest-answer.ts';

/**
 * Group commit. Each lane of the log has one append in flight; what arrives meanwhile is the next group. There is no timer to
 * tune: an idle log is written to at once, a busy one in larger groups.
 *
 *   add ─▶ waiting ─▶ in flight ─▶ settled: appended, or failed
 *             │           │
 *             └───────────┴─ deadline: the client stops waiting. A waiting record is dropped, one in flight goes on and
 *                            counts against the queue until the log has answered.
 *
 * When records of a request fail, those of it that still wait are dropped, so that no event overtakes one before it.
 */
export interface AppendQueue {
  /** Whether so many bytes more would stay within the bound. */
  hasRoomFor(bytes: number): boolean;
  /** Resolves when every record has settled or the deadline has passed; never rejects. */
  add(records: readonly RecordToAppend[]): Promise<AppendOutcome>;
  size(): { readonly records: number; readonly bytes: number };
  /** Resolves when nothing waits and nothing is in flight. */
  idle(): Promise<void>;
}

export interface AppendOutcome {
  /** By the order of `records`; undefined where the log did not confirm. */
  readonly appended: readonly (AppendedAt | undefined)[];
  /** Null if it confirmed all of them. */
  readonly failure: AppendFailure | null;
}

export interface AppendFailure {
  readonly code: UnconfirmedCode;
  readonly message: string;
}

export interface AppendQueueOptions {
  readonly log: LogAppender;
  readonly telemetry: Pick<Telemetry, 'emit'>;
  readonly bytesMax: number;
  readonly deadlineMs: number;
  readonly groupBytesMax: number;
  readonly groupRecordsMax: number;
}

interface Request {
  readonly appended: (AppendedAt | undefined)[];
  readonly deadlineAt: number;
  readonly resolve: (outcome: AppendOutcome) => void;
  unsettled: number;
  failure: AppendFailure | null;
  isAnswered: boolean;
}

interface Waiting {
  readonly record: RecordToAppend;
  readonly request: Request;
  readonly index: number;
}

interface Lane {
  waiting: Waiting[];
  isBusy: boolean;
}

/** Deadlines are looked at this often at most: a sweep walks through all that waits. */
const sweepEveryMs = 50;

export function createAppendQueue(options: AppendQueueOptions): AppendQueue {
  const { log, telemetry } = options;
  const lanes: Lane[] = Array.from({ length: log.lanes }, () => ({ waiting: [], isBusy: false }));
  /** In order of arrival and so of deadline. */
  const open = new Set<Request>();
  let sweepTimer: NodeJS.Timeout | null = null;
  let recordsHeld = 0;
  let bytesHeld = 0;
  let idleWaiters: (() => void)[] = [];

  function add(records: readonly RecordToAppend[]): Promise<AppendOutcome> {
    return new Promise((resolve) => {
      const request: Request = {
        appended: new Array(records.length),
        deadlineAt: performance.now() + options.deadlineMs,
        resolve,
        unsettled: records.length,
        failure: null,
        isAnswered: false,
      };
      open.add(request);
      const touched = new Set<Lane>();
      for (const [index, record] of records.entries()) {
        const lane = lanes[log.laneOf(record.partition)]!;
        lane.waiting.push({ record, request, index });
        touched.add(lane);
        bytesHeld += record.value.byteLength;
      }
      recordsHeld += records.length;
      for (const lane of touched) if (!lane.isBusy) void run(lane);
      scheduleSweep();
    });
  }

  /** Appends one group after another until nothing waits in the lane. */
  async function run(lane: Lane): Promise<void> {
    lane.isBusy = true;
    for (let group = takeGroup(lane); group.length > 0; group = takeGroup(lane)) await appendGroup(group);
    lane.isBusy = false;
    if (recordsHeld > 0) return;
    for (const resolve of idleWaiters.splice(0)) resolve();
  }

  function takeGroup(lane: Lane): Waiting[] {
    const group: Waiting[] = [];
    let bytes = 0;
    let taken = 0;
    for (const entry of lane.waiting) {
      const size = entry.record.value.byteLength;
      if (entry.request.failure) drop(entry);
      else {
        if (group.length > 0 && (bytes + size > options.groupBytesMax || group.length === options.groupRecordsMax))
          break;
        group.push(entry);
        bytes += size;
      }
      taken += 1;
    }
    lane.waiting = taken === lane.waiting.length ? [] : lane.waiting.slice(taken);
    return group;
  }

  async function appendGroup(group: readonly Waiting[]): Promise<void> {
    const startedAt = performance.now();
    let bytes = 0;
    for (const { record } of group) bytes += record.value.byteLength;
    let appended: readonly AppendedAt[] | null = null;
    let failure: AppendFailure | null = null;
    try {
      appended = await log.append(group.map(({ record }) => record));
    } catch (error) {
      failure = failureOf(error);
      telemetry.emit('append.failed', { events: group.length, error: failure.message });
    }
    if (appended) {
      const late = group.reduce((sum, { request }) => sum + (request.isAnswered ? 1 : 0), 0);
      const durationMs = performance.now() - startedAt;
      telemetry.emit('ingest.appended', { events: group.length, late, bytes, durationMs });
    }
    recordsHeld -= group.length;
    bytesHeld -= bytes;
    for (const [position, { request, index }] of group.entries()) {
      if (failure) request.failure ??= failure;
      else request.appended[index] = appended![position];
      settle(request);
    }
  }

  function drop(entry: Waiting): void {
    recordsHeld -= 1;
    bytesHeld -= entry.record.value.byteLength;
    settle(entry.request);
  }

  function settle(request: Request): void {
    request.unsettled -= 1;
    if (request.unsettled === 0) answer(request);
  }

  function answer(request: Request): void {
    if (request.isAnswered) return;
    request.isAnswered = true;
    open.delete(request);
    request.resolve({ appended: request.appended, failure: request.failure });
  }

  function scheduleSweep(): void {
    if (sweepTimer || open.size === 0) return;
    const [oldest] = open;
    sweepTimer = setTimeout(sweep, Math.max(sweepEveryMs, oldest!.deadlineAt - performance.now()));
  }

  function sweep(): void {
    sweepTimer = null;
    const now = performance.now();
    let overdue = 0;
    for (const request of open) {
      if (request.deadlineAt > now) break;
      overdue += request.unsettled;
      request.failure ??= { code: 'not_confirmed', message: `no answer within ${options.deadlineMs} ms` };
      // A copy: what is still in flight may settle after the client has its answer.
      request.isAnswered = true;
      open.delete(request);
      request.resolve({ appended: request.appended.slice(), failure: request.failure });
    }
    if (overdue > 0) {
      telemetry.emit('append.failed', { events: overdue, error: `no answer within ${options.deadlineMs} ms` });
      for (const lane of lanes) dropFailed(lane);
    }
    scheduleSweep();
  }

  function dropFailed(lane: Lane): void {
    const kept: Waiting[] = [];
    for (const entry of lane.waiting) {
      if (entry.request.failure) drop(entry);
      else kept.push(entry);
    }
    lane.waiting = kept;
  }

  return {
    hasRoomFor: (bytes) => bytesHeld + bytes <= options.bytesMax,
    add,
    size: () => ({ records: recordsHeld, bytes: bytesHeld }),
    idle: () =>
      recordsHeld === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idleWaiters = [...idleWaiters, resolve];
          }),
  };
}

function failureOf(error: unknown): AppendFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof UnavailableError)) return { code: 'internal', message };
  const { code } = error;
  return { code: code === 'disk_full' || code === 'log_replaced' ? code : 'log_unavailable', message };
}
