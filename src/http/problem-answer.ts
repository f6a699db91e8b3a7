import type { FastifyReply, FastifyRequest } from 'fastify';
import { UnavailableError } from '../domain/failure.ts';
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

/** Every error that can reach the one error handler, as a problem. An unknown one is a bug and says nothing of itself. */
export function toProblem(error: unknown): ProblemError {
  if (error instanceof ProblemError) return error;
  if (error instanceof UnavailableError) return unavailableProblem(error);
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

function unavailableProblem(error: UnavailableError): ProblemError {
  const own = error.code in problemTable ? (error.code as ProblemCode) : null;
  const code =
    own !== null && problemTable[own].status === 503
      ? own
      : error.code.startsWith('log')
        ? 'log_unavailable'
        : error.code.startsWith('metrics')
          ? 'metrics_unavailable'
          : 'store_unavailable';
  return new ProblemError(code, error.message, { cause: error });
}

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
