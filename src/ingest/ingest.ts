import { giveBackReceived } from '../domain/give-back.ts';
import type { JsonProblem } from '../domain/json-problem.ts';
import { limits } from '../domain/limits.ts';
import { recordId } from '../domain/record-codec.ts';
import type { AppendedAt, LogAppender, RecordToAppend } from '../event-log/event-log.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type AppendOutcome, bytesOf, createAppendQueue, type QueueSize } from './append-queue.ts';
import type { ClosedCode, EventResult, IngestAnswer, Refusal, RefusalCode } from './ingest-answer.ts';
import { createDecompressor, readFormat, readUtf8, tooLarge } from './read-body.ts';
import { idempotentIds, moreProblems, type Rejected } from './read-event.ts';
import { type Item, isRecord, readRequest } from './read-request.ts';
import { refuse } from './refuse.ts';
import { beginStickyRun, createStickyPartitioner, type StickyRun } from './sticky-partitioner.ts';

export interface IngestRequest {
  /** Is the ingest's from here on: its memory is given back as soon as the events have been read. */
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** Owner of the API key, or `anonymous`. */
  readonly owner: string;
}

export interface Ingest {
  /**
   * Reads and judges the whole request before anything of it is appended; answers when the log has it, or won't say.
   */
  submit(request: IngestRequest): Promise<IngestAnswer>;
  /** Records that wait for the log, and their bytes. */
  queue(): QueueSize;
  /** Takes nothing more; resolves when every append has settled. */
  drain(): Promise<void>;
}

export interface IngestLimits {
  readonly eventBytesMax: number;
  readonly requestBytesMax: number;
  readonly requestEventsMax: number;
  readonly ingestDeadlineMs: number;
  readonly ingestQueueBytesMax: number;
  readonly appendGroupBytesMax: number;
  readonly appendGroupRecordsMax: number;
}

export interface IngestOptions {
  readonly log: LogAppender;
  readonly telemetry: Pick<Telemetry, 'emit'>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Why nothing may be appended now, or null. */
  readonly gate?: () => ClosedCode | null;
  readonly limits?: Partial<IngestLimits>;
  /** Where events go that nothing ties to a partition, if others of this process share it. */
  readonly run?: StickyRun;
}

const closedDetails: Record<ClosedCode, string> = {
  disk_full: 'There is too little free disk space to take events safely. Nothing of this request was taken.',
  log_replaced:
    'The log is not the one that the store belongs to, so nothing is taken until an operator has looked: `esp doctor` explains the ways out.',
  shutting_down: 'The server is stopping. Nothing of this request was taken: send it again.',
};
const resend =
  'Send what `results` marks as retry again under the ids given there: even what had been appended is stored once.';

export function createIngest(options: IngestOptions): Ingest {
  const { log, telemetry, now = Date.now, gate = () => null } = options;
  const bounds: IngestLimits = { ...limits, ...options.limits };
  const decompressor = createDecompressor(bounds.requestBytesMax, bounds.ingestQueueBytesMax);
  const queue = createAppendQueue({
    log,
    telemetry,
    bytesMax: bounds.ingestQueueBytesMax,
    deadlineMs: bounds.ingestDeadlineMs,
    groupBytesMax: bounds.appendGroupBytesMax,
    groupRecordsMax: bounds.appendGroupRecordsMax,
  });
  const sticky = createStickyPartitioner(options.run ?? beginStickyRun(Math.floor(Math.random() * log.partitions)));
  let isDraining = false;

  function refused(refusal: Refusal): Refusal {
    telemetry.emit('ingest.refused', { code: refusal.code, events: refusal.events });
    return refusal;
  }

  function closed(): Refusal | null {
    const code = isDraining ? 'shutting_down' : gate();
    return code === null ? null : refuse(code, closedDetails[code]);
  }

  /** Throws nothing, although it is no async function: what goes wrong rejects. */
  function submit(request: IngestRequest): Promise<IngestAnswer> {
    try {
      const refusal = closed() ?? requestProblem(request, bounds.requestBytesMax);
      if (refusal) return Promise.resolve(refused(refusal));
      if (!decompressor.isIdentity(request.contentEncoding)) return decompressAndTake(request);
      return Promise.resolve(take(request, request.body));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async function decompressAndTake(request: IngestRequest): Promise<IngestAnswer> {
    const body = await decompressor.decompress(request.body, request.contentEncoding!);
    giveBackReceived(request.body);
    // The gate may have closed meanwhile.
    const late = 'kind' in body ? body : closed();
    return late ? refused(late) : take(request, body as Uint8Array);
  }

  /** @param sent the body without its content-encoding */
  function take(request: IngestRequest, sent: Uint8Array): IngestAnswer | Promise<IngestAnswer> {
    const format = readFormat(request.contentType);
    if (typeof format !== 'string') return refused(format);
    const body = readUtf8(sent, format);
    if (body.kind === 'refused') return refused(body);
    const receivedAt = now();
    const events = readRequest(body, {
      receivedAt,
      makeId: request.idempotencyKey === undefined ? null : idempotentIds(request.owner, request.idempotencyKey),
      partitions: log.partitions,
      sticky,
      eventBytesMax: bounds.eventBytesMax,
      eventsMax: bounds.requestEventsMax,
    });
    giveBackReceived(sent);
    if (events.kind === 'refused') return events.code === 'invalid_event' ? rejected(events) : refused(events);
    if (events.kind === 'one') return appendOne(events.record);
    return appendMany(events.items);
  }

  function appendOne(record: RecordToAppend): IngestAnswer | Promise<IngestAnswer> {
    if (!queue.hasRoomFor(record.value.byteLength)) return full(1);
    return queue.add([record]).then((outcome): IngestAnswer => {
      const id = recordId(record.value);
      const at = outcome.appended[0];
      if (at) return { kind: 'accepted', id, partition: at.partition, offset: at.offset };
      leaveUnconfirmed([record], outcome);
      return unconfirmed(outcome, [{ status: 'retry', id }]);
    });
  }

  async function appendMany(items: readonly Item[]): Promise<IngestAnswer> {
    const records = items.filter(isRecord);
    if (!queue.hasRoomFor(bytesOf(records))) return full(items.length);
    reportRejected(items);
    const outcome = await queue.add(records);
    leaveUnconfirmed(records, outcome);
    return manyAnswer(items, records, outcome);
  }

  /** The next events had better go to other partitions than those that just failed. */
  function leaveUnconfirmed(records: readonly RecordToAppend[], { appended, failure }: AppendOutcome): void {
    if (failure === null) return;
    for (const [index, { partition }] of records.entries()) {
      if (appended[index] === undefined) sticky.leave(partition);
    }
  }

  function manyAnswer(
    items: readonly Item[],
    records: readonly RecordToAppend[],
    outcome: AppendOutcome,
  ): IngestAnswer {
    const { appended, failure } = outcome;
    const accepted = failure === null ? records.length : appended.filter((at) => at !== undefined).length;
    if (accepted === 0) return unconfirmed(outcome, resultsOf(items, appended));
    const retry = records.length - accepted;
    reportUnconfirmed(retry);
    return {
      kind: 'many',
      accepted,
      rejected: items.length - records.length,
      retry,
      allAccepted: accepted === items.length ? records : null,
      get results() {
        return resultsOf(items, appended);
      },
    };
  }

  function full(events: number): Refusal {
    const detail = `${queue.size().bytes} bytes wait for the log already. Nothing of this request was taken: send it again a little later.`;
    return refused(refuse('queue_full', detail, { events }));
  }

  function unconfirmed({ failure }: AppendOutcome, results: readonly EventResult[]): Refusal {
    const code: RefusalCode = failure?.code ?? 'not_confirmed';
    const reason =
      code === 'not_confirmed'
        ? `The log did not confirm within ${bounds.ingestDeadlineMs} ms.`
        : code === 'internal'
          ? 'The log failed in a way that it should not.'
          : `The log did not take it: ${failure?.message}.`;
    reportUnconfirmed(results.filter(({ status }) => status === 'retry').length);
    return refuse(code, `${reason} ${resend}`, { events: results.length, results });
  }

  /** Every event of the request is invalid. */
  function rejected(refusal: Refusal): Refusal {
    telemetry.emit('ingest.rejected', { code: refusal.code, events: refusal.events });
    return refusal;
  }

  function reportUnconfirmed(events: number): void {
    if (events > 0) telemetry.emit('ingest.unconfirmed', { events });
  }

  function reportRejected(items: readonly Item[]): void {
    const counts = new Map<string, number>();
    for (const item of items) {
      if (isRecord(item)) continue;
      const { code } = firstOf(item);
      counts.set(code, (counts.get(code) ?? 0) + 1);
    }
    for (const [code, events] of counts) telemetry.emit('ingest.rejected', { code, events });
  }

  return {
    submit,
    queue: queue.size,
    drain() {
      isDraining = true;
      return queue.idle();
    },
  };
}

/** @param appended of each record among the items, in order */
function resultsOf(items: readonly Item[], appended: readonly (AppendedAt | undefined)[]): EventResult[] {
  let next = 0;
  return items.map((item): EventResult => {
    if (!isRecord(item)) return { status: 'rejected', problem: firstOf(item) };
    const id = recordId(item.value);
    const at = appended[next++];
    return at ? { status: 'accepted', id, partition: at.partition, offset: at.offset } : { status: 'retry', id };
  });
}

/** What a result shows of one that is not valid: its first problem, and how many more it has. */
function firstOf({ problems, problemCount }: Rejected): JsonProblem {
  const first = problems[0]!;
  if (problemCount === 1) return first;
  return { ...first, message: `${first.message} (and ${moreProblems(problemCount - 1)})` };
}

function requestProblem({ body, idempotencyKey }: IngestRequest, requestBytesMax: number): Refusal | null {
  if (body.byteLength === 0) return refuse('empty_body', 'The request has no body: send at least one event.');
  if (body.byteLength > requestBytesMax) return tooLarge(requestBytesMax);
  if (idempotencyKey === undefined) return null;
  if (idempotencyKey.length > 0 && idempotencyKey.length <= limits.idempotencyKeyCharactersMax) return null;
  return refuse('invalid_request', `idempotency-key must have 1 to ${limits.idempotencyKeyCharactersMax} characters.`);
}
