import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { giveBack } from '../../domain/give-back.ts';
import { limits } from '../../domain/limits.ts';
import type { SettledOutcome } from '../../event-store/event-store.ts';
import type { EventResult, IngestAnswer, Refusal } from '../../ingest/ingest-answer.ts';
import { readFormat } from '../../ingest/read-body.ts';
import { answerAtOnce } from '../answer-at-once.ts';
import type { HttpLimits } from '../bare-app.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { describeIngest } from '../describe-ingest.ts';
import { IngestQuery } from '../parameters.ts';
import { type Preference, readWaitPreference } from '../prefer.ts';
import { ProblemError } from '../problems.ts';
import { allAcceptedReceipt, eventReceipt, manyReceipt, resultJson } from '../receipt.ts';
import { createBodyReader } from '../request-body.ts';

const url = '/api/events';
const jsonHeaders = ['content-type', 'application/json; charset=utf-8'];
/** Until API keys tell who sends. */
const anonymous = 'anonymous';

type Dependencies = Pick<HttpDependencies, 'ingest' | 'operations' | 'telemetry'>;
type Accepted = Extract<IngestAnswer, { kind: 'accepted' }>;
type Many = Extract<IngestAnswer, { kind: 'many' }>;

/** POST /api/events. Its parsers take any content type, so `app` must be a scope of its own. */
export function registerIngestRoute(
  app: FastifyInstance,
  deps: Dependencies,
  { arrivingBodiesBytesMax }: Pick<HttpLimits, 'arrivingBodiesBytesMax'>,
): void {
  const readBody = createBodyReader({
    bytesMax: limits.requestBytesMax,
    arrivingBytesMax: arrivingBodiesBytesMax,
  });
  const closing = new AbortController();
  app.addHook('preClose', (done) => {
    closing.abort();
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, _payload, done) => readBody(request.raw, done));

  /** The records are copies: nothing here may keep the body in memory until the log has them. */
  function submit(body: Buffer, { headers }: FastifyRequest): Promise<IngestAnswer> {
    return deps.ingest.submit({
      body,
      contentType: headers['content-type'],
      contentEncoding: headers['content-encoding'],
      idempotencyKey: headers['idempotency-key'] as string | undefined,
      owner: anonymous,
    });
  }

  function respond(
    submitted: Promise<IngestAnswer>,
    isWaiting: boolean,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    return submitted.then((answer) => {
      if (answer.kind === 'refused') throw problemOf(answer);
      const wait = readWaitPreference(request.headers.prefer, isWaiting);
      // Given up here: what waits may wait for half a minute, and must not hold the records meanwhile.
      return wait
        ? answerStored(deps, withoutRecords(answer), wait, closing.signal, request, reply)
        : answerAccepted(answer, reply);
    });
  }

  /**
   * Nearly every request comes without a query, so there is nothing left for Fastify to check. Taken here, as soon as
   * its address is known: the way through Fastify's parsing and validating to a handler, and back through its sending,
   * took 15 % of the time of a single event, all of ingest and HTTP included.
   */
  function takeAtOnce(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    if (request.raw.url !== url) {
      done();
      return;
    }
    readBody(request.raw, (problem, body) => {
      if (problem) reply.send(problem);
      else respond(submit(body!, request), false, request, reply).catch((error) => reply.send(error));
    });
  }

  app.post<{ Querystring: IngestQuery; Body: Buffer | undefined }>(
    url,
    {
      schema: { querystring: IngestQuery },
      config: { describe: describeIngest },
      onRequest: [refuseUnknownType, takeAtOnce],
    },
    (request, reply) => {
      const submitted = submit(request.body ?? Buffer.alloc(0), request);
      request.body = undefined;
      return respond(submitted, request.query.wait === 'stored', request, reply).then(() => reply);
    },
  );
}

/** Before the body is read: whoever asks first (`expect: 100-continue`) need not send it at all. */
function refuseUnknownType({ headers }: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const isEmpty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
  const format = isEmpty ? 'json' : readFormat(headers['content-type']);
  if (typeof format !== 'string') throw problemOf(format);
  done();
}

function withoutRecords(answer: Accepted | Many): Accepted | Many {
  if (answer.kind === 'accepted') return answer;
  const { kind, accepted, rejected, retry, results } = answer;
  return { kind, accepted, rejected, retry, allAccepted: null, results };
}

/** @param more headers: name, value */
function answerAccepted(answer: Accepted | Many, reply: FastifyReply, more: readonly string[] = []): void {
  if (answer.kind === 'many') {
    const { allAccepted } = answer;
    const body =
      allAccepted === null ? manyReceipt(answer, answer.results.map(resultJson)) : allAcceptedReceipt(allAccepted);
    answerAtOnce(reply, 202, [...jsonHeaders, ...more], body);
    // The log has them, and nothing else is said of them.
    for (const { value } of allAccepted ?? []) giveBack(value);
    return;
  }
  const headers = [...jsonHeaders, 'location', `/api/events/${answer.id}`, ...more];
  answerAtOnce(reply, 202, headers, eventReceipt(answer.id, 'accepted'));
}

/**
 * 200 once every event is settled in the store; past the wait, or when the server stops, the same 202 as without it.
 */
async function answerStored(
  { operations, telemetry }: Dependencies,
  answer: Accepted | Many,
  { timeoutMs, applied }: Preference,
  stopping: AbortSignal,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const more = applied === null ? [] : ['preference-applied', applied];
  const results = answer.kind === 'accepted' ? [] : answer.results;
  const appended = answer.kind === 'accepted' ? [answer] : results.filter(isAccepted);
  const gone = new AbortController();
  const onClose = () => gone.abort();
  reply.raw.once('close', onClose);
  const over = AbortSignal.any([gone.signal, stopping]);
  const outcomes = await waitQuietly(
    () => operations.waitForOutcomes(appended, timeoutMs, over),
    (error) => {
      if (over.aborted) return;
      const { id: requestId, method, url: route } = request;
      telemetry.emit('request.failed', { requestId, method, route, error: String(error) });
    },
  );
  reply.raw.off('close', onClose);

  const settled = outcomes.filter((outcome) => outcome !== null);
  const isFinal = settled.length === appended.length && (answer.kind === 'accepted' || answer.retry === 0);
  if (!isFinal) {
    answerAccepted(answer, reply, more);
    return;
  }
  let next = 0;
  const finalJson = (result: EventResult) =>
    isAccepted(result) ? settledJson(result.id, settled[next++]!) : resultJson(result);
  const text =
    answer.kind === 'accepted' ? settledJson(answer.id, settled[0]!) : manyReceipt(answer, results.map(finalJson));
  answerAtOnce(reply, 200, [...jsonHeaders, ...more], text);
}

/**
 * The events are in the log, whatever becomes of the waiting: the receipt stands, and only the log hears of the error.
 */
async function waitQuietly<Item>(wait: () => Promise<readonly Item[]>, report: (error: unknown) => void) {
  try {
    return await wait();
  } catch (error) {
    report(error);
    return [];
  }
}

function isAccepted(result: EventResult): result is Extract<EventResult, { status: 'accepted' }> {
  return result.status === 'accepted';
}

function settledJson(id: string, outcome: SettledOutcome): string {
  if (outcome.kind !== 'failed') return eventReceipt(id, outcome.kind);
  return JSON.stringify({ id, status: 'failed', failed_event: outcome.inboxId });
}

function problemOf({ code, detail, problems, results }: Refusal): ProblemError {
  return new ProblemError(code, detail, {
    errors: problems,
    members: results ? { results: results.map((result) => JSON.parse(resultJson(result))) } : {},
  });
}
