/**
 * Every error a client can see, in one table (RFC 9457 problem documents). `code` is stable; `title` is for people; the
 * `detail` of an answer says what to do. A retriable one may be sent again unchanged.
 */
export const problemTable = {
  invalid_json: { status: 400, title: 'The body is not valid JSON', retriable: false },
  empty_body: { status: 400, title: 'The body is empty', retriable: false },
  invalid_encoding: {
    status: 400,
    title: 'The body does not match its content-encoding or is not UTF-8',
    retriable: false,
  },
  invalid_request: { status: 400, title: 'The request is not valid', retriable: false },
  invalid_cursor: { status: 400, title: 'The cursor is not one of this server', retriable: false },
  host_not_allowed: { status: 403, title: 'This host name is not allowed', retriable: false },
  origin_not_allowed: {
    status: 403,
    title: 'Web pages of another origin may not change anything here',
    retriable: false,
  },
  not_found: { status: 404, title: 'There is nothing at this address', retriable: false },
  event_not_found: { status: 404, title: 'No event with this id is stored', retriable: true },
  failed_event_not_found: { status: 404, title: 'No failed event with this id', retriable: false },
  job_not_found: { status: 404, title: 'No job with this id', retriable: false },
  method_not_allowed: { status: 405, title: 'This address does not take this method', retriable: false },
  request_timeout: { status: 408, title: 'The request did not arrive in time', retriable: true },
  being_redriven: { status: 409, title: 'A job is redriving this failed event', retriable: true },
  not_redrivable: { status: 409, title: 'This can not be done with this failed event now', retriable: false },
  body_too_large: { status: 413, title: 'The request is too large', retriable: false },
  too_many_events: { status: 413, title: 'The request holds too many events', retriable: false },
  unsupported_media_type: { status: 415, title: 'This content type is not taken', retriable: false },
  unsupported_encoding: { status: 415, title: 'This content encoding is not taken', retriable: false },
  invalid_event: { status: 422, title: 'The event is not valid', retriable: false },
  headers_too_large: { status: 431, title: 'The request headers are too large', retriable: false },
  internal: { status: 500, title: 'Something went wrong here', retriable: true },
  overloaded: { status: 503, title: 'More comes in than can be answered in time', retriable: true },
  queue_full: { status: 503, title: 'The ingest queue is full', retriable: true },
  not_confirmed: { status: 503, title: 'The log did not confirm in time', retriable: true },
  log_unavailable: { status: 503, title: 'The log can not be reached', retriable: true },
  log_replaced: { status: 503, title: 'The log is not the one this store belongs to', retriable: true },
  disk_full: { status: 503, title: 'The disk is full', retriable: true },
  store_unavailable: { status: 503, title: 'The store can not be reached', retriable: true },
  metrics_unavailable: { status: 503, title: 'The metrics store can not be reached', retriable: true },
  shutting_down: { status: 503, title: 'The server is stopping', retriable: true },
  too_many_answers: { status: 503, title: 'Too many answers are on their way', retriable: true },
  too_many_live_clients: { status: 503, title: 'Too many live clients', retriable: true },
} as const satisfies Record<string, { status: number; title: string; retriable: boolean }>;

export type ProblemCode = keyof typeof problemTable;

/** One of several problems in a request: where (a JSON pointer such as `/payload/a`), which, and what to do. */
export interface ProblemItem {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** Thrown by routes; the app's one error handler turns it into the answer. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors: readonly ProblemItem[];
  /** Further members of the document, such as `results`. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Seconds, for the retry-after header. */
  readonly retryAfterSeconds: number | null;

  constructor(
    code: ProblemCode,
    detail: string,
    options: {
      errors?: readonly ProblemItem[];
      members?: Readonly<Record<string, unknown>>;
      retryAfterSeconds?: number;
      cause?: unknown;
    } = {},
  ) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.name = 'ProblemError';
    this.code = code;
    this.detail = detail;
    this.errors = options.errors ?? [];
    this.members = options.members ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds ?? (problemTable[code].status === 503 ? 1 : null);
  }
}
