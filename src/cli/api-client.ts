import type { ProblemDocument } from '../http/contract.ts';
import { loadClientConfig } from '../runtime/config/config.ts';
import { type CliContext, CommandError, exitCodes, interruption, requireConfig } from './context.ts';

export interface ApiRequest {
  readonly method?: 'GET' | 'POST';
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with its content type. */
  readonly body?: { readonly contentType: string; readonly bytes: Uint8Array };
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface ApiClient {
  readonly url: string;
  /** Any answer at all, also an error. Throws UnreachableError where there is none. */
  request(path: string, request?: ApiRequest): Promise<ApiAnswer>;
  /** The body of a successful answer. Anything else is a CommandError that tells what the server said. */
  json<Body>(path: string, request?: ApiRequest): Promise<Body>;
  /** The body of a successful answer as it arrives. */
  stream(path: string, accept: string): Promise<ReadableStream<Uint8Array>>;
}

/** Nothing answered: no server, or the connection broke before the answer was whole. */
export class UnreachableError extends CommandError {
  /** Nobody listens there; else the connection broke while it was used. */
  readonly refused: boolean;
  constructor(url: string, cause: unknown) {
    const code = networkCode(cause);
    const refused = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH';
    super(
      refused
        ? `nothing answers at ${url}; start it with npm start, or set ESP_URL`
        : `the connection to ${url} broke (${code ?? String(cause)})`,
      exitCodes.failed,
      { cause },
    );
    this.name = 'UnreachableError';
    this.refused = refused;
  }
}

export function createApiClient({ env, interrupted }: Pick<CliContext, 'env' | 'interrupted'>): ApiClient {
  const { url, apiKey } = requireConfig(loadClientConfig(env));

  async function send(path: string, request: ApiRequest, accept: string): Promise<Response> {
    const headers = new Headers({ accept, ...request.headers });
    if (apiKey) headers.set('authorization', `Bearer ${apiKey}`);
    const body = request.body?.bytes ?? (request.json === undefined ? null : JSON.stringify(request.json));
    if (body !== null) headers.set('content-type', request.body?.contentType ?? 'application/json');
    try {
      return await fetch(url + path, {
        method: request.method ?? 'GET',
        headers,
        body: body as RequestInit['body'],
        signal: interrupted,
      });
    } catch (error) {
      if (interrupted.aborted) throw interruption();
      // The fetch standard forbids ports of other protocols, and nothing is sent.
      if (error instanceof Error && error.cause instanceof Error && error.cause.message === 'bad port') {
        throw new CommandError(`ESP_URL: the port of ${url} is not allowed for HTTP`, exitCodes.wrongUse);
      }
      throw new UnreachableError(url, error);
    }
  }

  async function request(path: string, request: ApiRequest = {}): Promise<ApiAnswer> {
    const response = await send(path, request, 'application/json');
    try {
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (error) {
      throw interrupted.aborted ? interruption() : new UnreachableError(url, error);
    }
  }

  return {
    url,
    request,
    async json<Body>(path: string, options: ApiRequest = {}) {
      const answer = await request(path, options);
      if (answer.status >= 300) throw problemError(answer, url);
      return JSON.parse(answer.text) as Body;
    },
    async stream(path, accept) {
      const response = await send(path, {}, accept);
      if (response.status >= 300 || !response.body) {
        throw problemError({ status: response.status, headers: response.headers, text: await response.text() }, url);
      }
      return response.body;
    },
  };
}

/** The document of an answer, or null where the answer is not from this program (a proxy's page, another server). */
export function readProblem({ text }: Pick<ApiAnswer, 'text'>): ProblemDocument | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'code' in value ? (value as ProblemDocument) : null;
  } catch {
    return null;
  }
}

export function problemError(answer: ApiAnswer, url: string): CommandError {
  const problem = readProblem(answer);
  if (!problem) {
    return new CommandError(`${url} answered ${answer.status}, and not as an event stream processor would`);
  }
  const errors = problem.errors ?? [];
  // The detail has a single one already.
  const items = errors.length > 1 ? errors.map(({ path, message }) => `\n  ${path || '/'}: ${message}`) : [];
  return new CommandError(`${problem.title}: ${problem.detail} (${problem.code})${items.join('')}`);
}

function networkCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const inner = error.cause;
  // Both addresses of "localhost" refused: one error that holds two.
  const one = inner instanceof AggregateError ? inner.errors[0] : (inner ?? error);
  return one instanceof Error && 'code' in one && typeof one.code === 'string' ? one.code : null;
}
