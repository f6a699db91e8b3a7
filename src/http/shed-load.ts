import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { type Admission, retryAfterMs } from './admission.ts';
import { commonHeaders } from './answer-at-once.ts';
import { standInFront } from './in-front.ts';
import { problemContentType, problemDocument } from './problem-answer.ts';
import { ProblemError } from './problems.ts';
import { createRequestIds } from './request-id.ts';

export interface SheddingOptions {
  readonly admission: Admission;
  readonly telemetry: Pick<Telemetry, 'emit'>;
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

/** Refusals that are told later are looked through so often: they share a timer. */
const tellEveryMs = 10;

interface Held {
  readonly dueAt: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface LoadShedding {
  /** Tells every refusal that is held: for a server that stops. */
  tellAll(): void;
}

/**
 * Asks the admission about each request to take events in, in front of everything else that listens to the server: what
 * is refused must cost a fraction of what is taken, and the framework's own way to a handler is half of that.
 */
export function shedLoad(server: Server, { admission, telemetry }: SheddingOptions): LoadShedding {
  const requestIds = createRequestIds();
  /** One for each connection at most. */
  let held: Held[] = [];
  let timer: NodeJS.Timeout | null = null;

  function refuse({ headers: { 'x-request-id': given } }: IncomingMessage, response: ServerResponse): void {
    response.writeHead(503, [...headers, 'x-request-id', requestIds(given)]);
    response.end(body);
    telemetry.emit('request.shed', { route: url });
  }

  function hold(one: Held): void {
    // Its body is read past meanwhile: what waits here is counted against no bound.
    one.request.resume();
    held.push(one);
    timer ??= setTimeout(tellDue, tellEveryMs);
  }

  function tellDue(now = performance.now()): void {
    const all = held;
    held = all.filter(({ dueAt }) => dueAt > now);
    timer = held.length > 0 ? setTimeout(tellDue, tellEveryMs) : null;
    for (const { dueAt, request, response } of all) {
      if (dueAt <= now && !response.destroyed) refuse(request, response);
    }
  }

  standInFront(server, (request, response) => {
    const refusedInMs = isIngest(request) ? admission.refusal(request.socket) : null;
    if (refusedInMs === null) return false;
    // Without the socket it is behind another of the same connection, and goes out after that; Node stops reading when
    // enough of them wait so.
    if (refusedInMs === 0 || response.socket === null) refuse(request, response);
    else hold({ dueAt: performance.now() + refusedInMs, request, response });
    return true;
  });
  return {
    tellAll() {
      if (timer !== null) clearTimeout(timer);
      tellDue(Number.POSITIVE_INFINITY);
    },
  };
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
