import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { limits } from '../../domain/limits.ts';
import type { SettledOutcome } from '../../event-store/event-store.ts';
import type { EventResult, IngestAnswer, Refusal } from '../../ingest/ingest-answer.ts';
import { readFormat } from '../../ingest/read-body.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { describeIngest } from '../describe-ingest.ts';
import { IngestQuery } from '../parameters.ts';
import { type Preference, readWaitPreference } from '../prefer.ts';
import { ProblemError } from '../problems.ts';
import { eventReceipt, manyReceipt, resultJson } from '../receipt.ts';
import { createBodyReader } from '../request-body.ts';

const jsonType = 'application/json; charset=utf-8';
/** Until API keys tell who sends. */
const anonymous = 'anonymous';

type Dependencies = Pick<HttpDependencies, 'ingest' | 'operations' | 'telemetry'>;
type Accepted = Extract<IngestAnswer, { kind: 'accepted' }>;
type Many = Extract<IngestAnswer, { kind: 'many' }>;

/** POST /api/events. Its parsers take any content type, so `app` must be a scope of its own. */
export function registerIngestRoute(app: FastifyInstance, deps: Dependencies): void {
  const readBody = createBodyReader({
    bytesMax: limits.requestBytesMax,
    arrivingBytesMax: limits.arrivingBodiesBytesMax,
  });
  const closing = new AbortController();
  app.addHook('preClose', (done) => {
    closing.abort();
    done();
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) => readBody(request.raw, payload));

  app.post<{ Querystring: IngestQuery; Body: Buffer | undefined }>(
    '/api/events',
    { schema: { querystring: IngestQuery }, config: { describe: describeIngest }, onRequest: refuseUnknownType },
    async (request, reply) => {
      const { headers } = request;
      const body = request.body ?? Buffer.alloc(0);
      // The records are copies: the body need not stay in memory until the log has them.
      request.body = undefined;
      const answer = await deps.ingest.submit({
        body,
        contentType: headers['content-type'],
        contentEncoding: headers['content-encoding'],
        idempotencyKey: headers['idempotency-key'] as string | undefined,
        owner: anonymous,
      });
      if (answer.kind === 'refused') throw problemOf(answer);
      const wait = readWaitPreference(headers.prefer, request.query.wait === 'stored');
      if (wait) return answerStored(deps, answer, wait, closing.signal, request, reply);
      return answerAccepted(answer, reply);
    },
  );
}

/** Before the body is read: whoever asks first (`expect: 100-continue`) need not send it at all. */
async function refuseUnknownType({ headers }: FastifyRequest): Promise<void> {
  const isEmpty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
  if (isEmpty) return;
  const format = readFormat(headers['content-type']);
  if (typeof format === 'string') return;
  throw problemOf(format);
}

function answerAccepted(answer: Accepted | Many, reply: FastifyReply): FastifyReply {
  reply.code(202).header('content-type', jsonType);
  if (answer.kind === 'many') return reply.send(manyReceipt(answer, answer.results.map(resultJson)));
  return reply.header('location', `/api/events/${answer.id}`).send(eventReceipt(answer.id, 'accepted'));
}

/** 200 once every event is settled in the store; past the wait, or when the server stops, the same 202 as without it. */
async function answerStored(
  { operations, telemetry }: Dependencies,
  answer: Accepted | Many,
  { timeoutMs, applied }: Preference,
  stopping: AbortSignal,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  if (applied !== null) reply.header('preference-applied', applied);
  const appended = answer.kind === 'accepted' ? [answer] : answer.results.filter(isAccepted);
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
  if (!isFinal) return answerAccepted(answer, reply);
  reply.code(200).header('content-type', jsonType);
  if (answer.kind === 'accepted') return reply.send(settledJson(answer.id, settled[0]!));
  let next = 0;
  const results = answer.results.map((result) =>
    isAccepted(result) ? settledJson(result.id, settled[next++]!) : resultJson(result),
  );
  return reply.send(manyReceipt(answer, results));
}

/** The events are in the log, whatever becomes of the waiting: the receipt stands, and only the log hears of the error. */
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
  return JSON.stringify({ id, status: 'failed', failed_event: outcome.entry.id });
}

function problemOf({ code, detail, problems, results }: Refusal): ProblemError {
  return new ProblemError(code, detail, {
    errors: problems,
    members: results ? { results: results.map((result) => JSON.parse(resultJson(result))) } : {},
  });
}
