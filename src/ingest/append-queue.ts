import { setImmediate as nextTurn } from 'node:timers/promises';
import { UnavailableError } from '../domain/failure.ts';
import type { AppendedAt, LogAppender, RecordToAppend } from '../event-log/event-log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import type { UnconfirmedCode } from './ingest-answer.ts';

/**
 * Group commit. Each lane of the log has one append in flight; what arrives meanwhile, and what is just arriving when
 * that one is over, is the next group. There is no timer to tune: an idle log is written to after one turn of the event
 * loop, a busy one in larger groups.
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
  /**
   * Resolves when every record has settled or the deadline has passed; never rejects.
   * @param records one at least
   */
  add(records: readonly RecordToAppend[]): Promise<AppendOutcome>;
  size(): QueueSize;
  /** Resolves when nothing waits and nothing is in flight. */
  idle(): Promise<void>;
}

/** Records that wait for the log. */
export interface QueueSize {
  readonly records: number;
  readonly bytes: number;
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

/** Records of one request that wait for one lane. */
interface Part {
  readonly request: Request;
  readonly records: readonly RecordToAppend[];
  readonly bytes: number;
  /** Of each record, which of the request's it is; null: `first` and those behind it. */
  readonly places: readonly number[] | null;
  readonly first: number;
}

/** Each unanswered request has a part in one of the two at least. */
interface Lane {
  waiting: Part[];
  inFlight: readonly Part[];
  isBusy: boolean;
}

interface Group {
  readonly parts: readonly Part[];
  readonly records: number;
  readonly bytes: number;
}

/**
 * How long a group is gathered at most. Measured with 64 clients that share two cores with Kafka, against taking only
 * what waits when the append before is over: groups of 35 events and not of 25, for each event 17 % less processor time
 * of this process and 59 % less of Kafka, a quarter more events a second, and a p99 that is a quarter lower.
 */
const gatherMsMax = 2;
/** Deadlines are looked at this often at most: a sweep walks through all that waits. */
const sweepEveryMs = 50;

export function createAppendQueue(options: AppendQueueOptions): AppendQueue {
  const { log, telemetry } = options;
  const lanes = Array.from({ length: log.lanes }, createLane);
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
      recordsHeld += records.length;
      if (lanes.length === 1) {
        enqueue(lanes[0]!, { request, records, bytes: bytesOf(records), places: null, first: 0 });
      } else {
        for (const [lane, part] of partsOf(request, records)) enqueue(lane, part);
      }
      scheduleSweep();
    });
  }

  function enqueue(lane: Lane, part: Part): void {
    lane.waiting.push(part);
    bytesHeld += part.bytes;
    if (!lane.isBusy) void run(lane);
  }

  function partsOf(request: Request, records: readonly RecordToAppend[]): (readonly [Lane, Part])[] {
    const placesOf = new Map<number, number[]>();
    for (const [place, { partition }] of records.entries()) {
      const lane = log.laneOf(partition);
      const places = placesOf.get(lane);
      if (places === undefined) placesOf.set(lane, [place]);
      else places.push(place);
    }
    return [...placesOf].map(([lane, places]) => {
      const own = places.map((place) => records[place]!);
      return [lanes[lane]!, { request, records: own, bytes: bytesOf(own), places, first: 0 }];
    });
  }

  /** Appends one group after another until nothing waits in the lane. */
  async function run(lane: Lane): Promise<void> {
    lane.isBusy = true;
    while (lane.waiting.length > 0) {
      await gather(lane);
      const group = takeGroup(lane);
      if (group.records === 0) continue;
      lane.inFlight = group.parts;
      await appendGroup(group);
      lane.inFlight = [];
    }
    lane.isBusy = false;
    if (recordsHeld > 0) return;
    for (const resolve of idleWaiters.splice(0)) resolve();
  }

  /**
   * As long as turns of the event loop bring more at once, it comes along; a turn that brings nothing ends the wait.
   */
  async function gather(lane: Lane): Promise<void> {
    const until = performance.now() + gatherMsMax;
    for (let seen = 0; lane.waiting.length > seen && performance.now() < until; ) {
      seen = lane.waiting.length;
      await nextTurn();
    }
  }

  function takeGroup(lane: Lane): Group {
    const parts: Part[] = [];
    let records = 0;
    let bytes = 0;
    let rest: Part[] = [];
    for (const [index, part] of lane.waiting.entries()) {
      if (part.request.failure) {
        drop(part);
        continue;
      }
      const count = countFor(part, options.groupRecordsMax - records, options.groupBytesMax - bytes, records === 0);
      const taken = count === part.records.length ? part : cut(part, 0, count);
      if (count > 0) parts.push(taken);
      records += count;
      bytes += taken.bytes;
      if (taken === part) continue;
      rest = [cut(part, count, part.records.length), ...lane.waiting.slice(index + 1)];
      break;
    }
    lane.waiting = rest;
    return { parts, records, bytes };
  }

  async function appendGroup({ parts, records, bytes }: Group): Promise<void> {
    const startedAt = performance.now();
    let appended: readonly AppendedAt[] | null = null;
    let failure: AppendFailure | null = null;
    try {
      appended = await log.append(parts.length === 1 ? parts[0]!.records : parts.flatMap((part) => part.records));
    } catch (error) {
      failure = failureOf(error);
      telemetry.emit('append.failed', { events: records, error: failure.message });
    }
    if (appended) {
      const late = parts.reduce((sum, part) => sum + (part.request.isAnswered ? part.records.length : 0), 0);
      const durationMs = performance.now() - startedAt;
      telemetry.emit('ingest.appended', { events: records, late, bytes, durationMs });
    }
    recordsHeld -= records;
    bytesHeld -= bytes;
    let position = 0;
    for (const { request, records: own, places, first } of parts) {
      if (failure) request.failure ??= failure;
      else {
        for (let nth = 0; nth < own.length; nth += 1) {
          request.appended[places === null ? first + nth : places[nth]!] = appended![position + nth];
        }
      }
      position += own.length;
      settle(request, own.length);
    }
  }

  function drop({ request, records, bytes }: Part): void {
    recordsHeld -= records.length;
    bytesHeld -= bytes;
    settle(request, records.length);
  }

  function settle(request: Request, records: number): void {
    request.unsettled -= records;
    if (request.unsettled === 0) answer(request);
  }

  function answer(request: Request): void {
    if (request.isAnswered) return;
    request.isAnswered = true;
    request.resolve({ appended: request.appended, failure: request.failure });
  }

  /**
   * As often as it has parts. No set has them all: a set that is added to and taken from all the time leaves behind
   * tables it has outgrown, and once one is in the old generation, it keeps all that come after it and what was in
   * them.
   */
  function* unanswered(): Iterable<Request> {
    for (const { inFlight, waiting } of lanes) {
      for (const { request } of inFlight) if (!request.isAnswered) yield request;
      for (const { request } of waiting) if (!request.isAnswered) yield request;
    }
  }

  function scheduleSweep(): void {
    if (sweepTimer) return;
    let deadlineAt = Number.POSITIVE_INFINITY;
    for (const request of unanswered()) deadlineAt = Math.min(deadlineAt, request.deadlineAt);
    if (deadlineAt === Number.POSITIVE_INFINITY) return;
    sweepTimer = setTimeout(sweep, Math.max(sweepEveryMs, deadlineAt - performance.now()));
  }

  function sweep(): void {
    sweepTimer = null;
    const now = performance.now();
    let overdue = 0;
    for (const request of unanswered()) {
      if (request.deadlineAt > now) continue;
      overdue += request.unsettled;
      request.failure ??= { code: 'not_confirmed', message: `no answer within ${options.deadlineMs} ms` };
      // A copy: what is still in flight may settle after the client has its answer.
      request.isAnswered = true;
      request.resolve({ appended: request.appended.slice(), failure: request.failure });
    }
    if (overdue > 0) {
      telemetry.emit('append.failed', { events: overdue, error: `no answer within ${options.deadlineMs} ms` });
      for (const lane of lanes) dropFailed(lane);
    }
    scheduleSweep();
  }

  function dropFailed(lane: Lane): void {
    const failed = lane.waiting.filter(({ request }) => request.failure !== null);
    lane.waiting = lane.waiting.filter(({ request }) => request.failure === null);
    for (const part of failed) drop(part);
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

function createLane(): Lane {
  return { waiting: [], inFlight: [], isBusy: false };
}

/** How many of the records from the first on go into what a group has left: of an empty one at least the first. */
function countFor(part: Part, recordsLeft: number, bytesLeft: number, isEmpty: boolean): number {
  const { records } = part;
  if (records.length <= recordsLeft && part.bytes <= bytesLeft) return records.length;
  let count = 0;
  for (let bytes = 0; count < Math.min(records.length, recordsLeft); count += 1) {
    bytes += records[count]!.value.byteLength;
    if (bytes > bytesLeft && !(isEmpty && count === 0)) break;
  }
  return count;
}

function cut({ request, records, places, first }: Part, from: number, to: number): Part {
  const own = records.slice(from, to);
  return {
    request,
    records: own,
    bytes: bytesOf(own),
    places: places === null ? null : places.slice(from, to),
    first: first + from,
  };
}

export function bytesOf(records: readonly RecordToAppend[]): number {
  let bytes = 0;
  for (const { value } of records) bytes += value.byteLength;
  return bytes;
}

function failureOf(error: unknown): AppendFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof UnavailableError)) return { code: 'internal', message };
  const { code } = error;
  return { code: code === 'disk_full' || code === 'log_replaced' ? code : 'log_unavailable', message };
}
