import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type Admission, retryAfterMs } from './admission.ts';
import { commonHeaders } from './answer-at-once.ts';
import { problemContentType, problemDocument } from './problem-answer.ts';
import { ProblemError } from './problems.ts';
import { createRequestIds } from './request-id.ts';

export interface SheddingOptions {
  readonly admission: Admission;
  readonly telemetry: Pick<Telemetry, 'emit'>;
  readonly isStopping: () => boolean;
}

const url = '/api/events';
const detail =
  'More comes in than can be answered in time. Nothing of this request was read or taken: send it again when retry-after is over.';
const body = problemDocument(new ProblemError('overloaded', detail));
const headers = [
  ...Object.entries(commonHeaders).flat(),
  ...['content-type', problemContentType, 'content-length', String(Buffer.byteLength(body))],
  ...['retry-after', String(retryAfterMs / 1_000)],
];

/**
 * Asks the admission about each request to take events in, in front of everything else that listens to the server: what is
 * refused must cost a fraction of what is taken, and the framework's own way to a handler is half of that.
 */
export function shedLoad(server: Server, { admission, telemetry, isStopping }: SheddingOptions): void {
  const requestIds = createRequestIds();
  const listeners = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request');

  function refuse({ headers: { 'x-request-id': given } }: IncomingMessage, response: ServerResponse): void {
    if (isStopping()) response.shouldKeepAlive = false;
    response.writeHead(503, [...headers, 'x-request-id', requestIds(given)]);
    response.end(body);
    telemetry.emit('request.shed', { route: url });
  }

  server.on('request', (request, response) => {
    const refusedInMs = isIngest(request) ? admission.refusal(request.socket) : null;
    if (refusedInMs === null) for (const listener of listeners) listener.call(server, request, response);
    else if (refusedInMs === 0) refuse(request, response);
    else {
      // Its body is read past meanwhile: what waits here is counted against no bound.
      request.resume();
      setTimeout(refuse, refusedInMs, request, response);
    }
  });
}

function isIngest({ method, url: target = '' }: IncomingMessage): boolean {
  if (method !== 'POST') return false;
  if (target === url || target.startsWith(`${url}?`)) return true;
  // The router takes other spellings as well: escapes, a fragment, the address of a proxy's request.
  const path = target.replace(/^\w+:\/\/[^/?#]*/, '').split(/[?#]/, 1)[0]!;
  return path === url || (path.includes('%') && unescaped(path) === url);
}

function unescaped(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
