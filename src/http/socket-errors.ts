import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { problemContentType, problemDocument } from './problem-answer.ts';
import { type ProblemCode, ProblemError, problemTable } from './problems.ts';

// Imported as a module, it would evaluate all of its late exports, a whole HTTP client among them: 15 MiB, and 50 ms of
// a start.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

/**
 * After the answer the rest of what the client sends is read away this long: closing at once could reset the answer.
 */
const lingerMs = 1_000;

interface ClientError extends Error {
  readonly code?: string;
}

/**
 * What breaks before there is a request: framing, headers past their limit, a request that does not arrive in time.
 * Answers a problem document where that is still possible, and ends the connection.
 */
export function createSocketErrorHandler(newRequestId: () => string) {
  const answered = new WeakSet<Socket>();

  return (error: ClientError, socket: Socket): void => {
    if (answered.has(socket)) return;
    if (error.code === 'ECONNRESET' || !socket.writable || mustStaySilent(socket)) {
      socket.destroy();
      return;
    }
    answered.add(socket);
    const problem = problemOf(error);
    const answer = rawAnswer(problem, newRequestId());
    if (problem.code === 'request_timeout') {
      // Closed at once: the rest of a request that was answered 408 must not be taken any more.
      socket.end(answer, () => socket.destroy());
      return;
    }
    socket.end(answer);
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
  };
}

/**
 * An answer that belongs to a request before the broken one is still owed or under way on this connection: what is
 * written now would be read as that one's, and say "refused" of events that were taken. The only honest answer left is
 * none.
 */
function mustStaySilent(socket: Socket): boolean {
  const { _httpMessage: owed } = socket as Socket & { _httpMessage?: ServerResponse<IncomingMessage> | null };
  return owed != null && (owed.headersSent || owed.req.complete);
}

function problemOf({ code, message }: ClientError): ProblemError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ProblemError('request_timeout', 'The request was not complete in time.');
    case 'HPE_HEADER_OVERFLOW':
      return new ProblemError('headers_too_large', 'Headers may have 16 KiB together.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new ProblemError('body_too_large', 'The chunk extensions are too large.');
    default:
      return new ProblemError('invalid_request', `This is not valid HTTP/1.1: ${message}`);
  }
}

function rawAnswer(problem: ProblemError, requestId: string): string {
  const code: ProblemCode = problem.code;
  const { status } = problemTable[code];
  const body = problemDocument(problem);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `content-type: ${problemContentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    `date: ${new Date().toUTCString()}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
}
