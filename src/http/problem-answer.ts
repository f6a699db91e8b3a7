import type { FastifyReply, FastifyRequest } from 'fastify';
import { type UnavailableCode, UnavailableError } from '../domain/failure.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type ProblemCode, ProblemError, problemTable } from './problems.ts';
import { validationProblem } from './validation-problem.ts';

export const problemContentType = 'application/problem+json';

/** The RFC 9457 document of a problem, as text. */
export function problemDocument({ code, detail, errors, members }: ProblemError): string {
  const { title, status, retriable } = problemTable[code];
  return JSON.stringify({
    type: `urn:esp:problem:${code}`,
    title,
    status,
    detail,
    code,
    retriable,
    ...(errors.length > 0 ? { errors } : {}),
    ...members,
  });
}

export function sendProblem(reply: FastifyReply, problem: ProblemError): FastifyReply {
  if (problem.retryAfterSeconds !== null) reply.header('retry-after', String(problem.retryAfterSeconds));
  // As bytes: of a string Fastify would add `; charset=utf-8`, which this media type does not have.
  return reply
    .code(problemTable[problem.code].status)
    .header('content-type', problemContentType)
    .send(Buffer.from(problemDocument(problem)));
}

/** Fastify's own errors, by their code. What is not listed here goes by its status. */
const frameworkProblems: Readonly<Record<string, { readonly code: ProblemCode; readonly detail: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'body_too_large', detail: 'The body is larger than this address takes.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'unsupported_media_type',
    detail: 'Send a content-type that this address takes; /openapi.json lists them.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'invalid_request',
    detail: 'The body is not as long as content-length says.',
  },
  FST_ERR_BAD_URL: { code: 'invalid_request', detail: 'The address is not valid percent-encoding.' },
  FST_ERR_MAX_PARAM_LENGTH: { code: 'invalid_request', detail: 'A part of the address is too long.' },
  ECONNRESET: { code: 'invalid_request', detail: 'The connection ended before the body was complete.' },
};

/**
 * Every error that can reach the one error handler, as a problem. An unknown one is a bug and says nothing of itself.
 */
function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof UnavailableError) {
    return new ProblemError(unavailableProblems[error.code], error.message, { cause: error });
  }
  if (!(error instanceof Error)) return internalProblem(error);

  const invalid = validationProblem(error);
  if (invalid) return invalid;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? frameworkProblems[code] : undefined;
  if (known) return new ProblemError(known.code, known.detail, { cause: error });
  if (statusCode === 403 || statusCode === 404) {
    return new ProblemError('not_found', 'There is nothing at this address.', { cause: error });
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new ProblemError('invalid_request', error.message, { cause: error });
  }
  return internalProblem(error);
}

/** What a client is told of what is away: which of the parts, as far as it can do something about that. */
const unavailableProblems: Readonly<Record<UnavailableCode, ProblemCode>> = {
  log_unavailable: 'log_unavailable',
  log_unreachable: 'log_unavailable',
  log_timeout: 'log_unavailable',
  log_closed: 'log_unavailable',
  log_behind: 'log_unavailable',
  log_deleted: 'log_unavailable',
  log_denied: 'log_unavailable',
  log_leaderless: 'log_unavailable',
  log_missing: 'log_unavailable',
  log_refused: 'log_unavailable',
  log_replaced: 'log_replaced',
  log_unsupported: 'log_unavailable',
  assignment_ended: 'log_unavailable',
  consumer_closed: 'log_unavailable',
  stream_closed: 'log_unavailable',
  failed_topic_unavailable: 'log_unavailable',
  store_unavailable: 'store_unavailable',
  store_busy: 'store_unavailable',
  store_timeout: 'store_unavailable',
  store_unusable: 'store_unavailable',
  disk_full: 'disk_full',
  metrics_unavailable: 'metrics_unavailable',
  // The threads beside the one that answers work on the store.
  thread_gone: 'store_unavailable',
};

function internalProblem(error: unknown): ProblemError {
  return new ProblemError('internal', 'This is a bug here, not in the request. The log has it under the request id.', {
    cause: error,
  });
}

/** The one error handler: answers the problem, and announces the errors that nobody expected. */
export function createErrorHandler(telemetry: Telemetry) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = toProblem(error);
    if (problem.code === 'internal') {
      telemetry.emit('request.failed', {
        requestId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? request.url,
        error: error instanceof Error ? (error.stack ?? String(error)) : String(error),
      });
    }
    return sendProblem(reply, problem);
  };
}
