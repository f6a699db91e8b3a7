import { setTimeout as delay } from 'node:timers/promises';
import { backoffMs } from '../domain/backoff.ts';
import type { EventResult, ManyReceipt } from '../http/contract.ts';
import { type ApiAnswer, type ApiClient, problemError, readProblem, UnreachableError } from './api-client.ts';
import { CommandError, interruption } from './context.ts';

export interface Delivery {
  /** One for each event, in order. */
  readonly results: readonly EventResult[];
  /** How often the batch had to be sent again. */
  readonly retries: number;
}

export interface DeliverOptions {
  readonly client: Pick<ApiClient, 'request' | 'url'>;
  /** Waits this long in all for a server that says "later" or has gone away, before it gives up. */
  readonly patienceMs: number;
  /** Also for one that refused the connection before it ever answered. */
  readonly waitsForStart: boolean;
  /** Answers only when the outcome of each event is known. */
  readonly waitStored: boolean;
  readonly signal: AbortSignal;
  /** In [0, 1): spreads the retries of several clients. */
  readonly random?: () => number;
  /** Called before each wait. */
  readonly onRetry?: (reason: string, waitMs: number) => void;
}

const newline = Buffer.from('\n');

/**
 * Sends batches of NDJSON lines until the server has taken them. A batch is always sent again whole and under the same
 * Idempotency-Key: that is safe whatever became of the tries before, also for events without an id of their own.
 */
export function createDelivery({
  client,
  patienceMs,
  waitsForStart,
  waitStored,
  signal,
  random = Math.random,
  onRetry,
}: DeliverOptions) {
  const path = `/api/events${waitStored ? '?wait=stored' : ''}`;
  let mayBeAway = waitsForStart;

  async function attempt(bytes: Uint8Array, idempotencyKey: string): Promise<ApiAnswer | UnreachableError> {
    try {
      const answer = await client.request(path, {
        method: 'POST',
        body: { contentType: 'application/x-ndjson', bytes },
        headers: { 'idempotency-key': idempotencyKey },
      });
      mayBeAway = true;
      return answer;
    } catch (error) {
      if (error instanceof UnreachableError && (mayBeAway || !error.refused)) return error;
      throw error;
    }
  }

  return async function deliver(lines: readonly Uint8Array[], idempotencyKey: string): Promise<Delivery> {
    const bytes = Buffer.concat(lines.flatMap((line) => [line, newline]));
    let waitedMs = 0;
    for (let retries = 0; ; retries++) {
      const outcome = await attempt(bytes, idempotencyKey);
      const judged = outcome instanceof UnreachableError ? outcome : judge(outcome, lines.length, client.url);
      if (Array.isArray(judged)) return { results: judged, retries };
      if (waitedMs >= patienceMs) throw judged;

      const waitMs = Math.max(retryAfterMs(outcome), backoffMs(retries, random()));
      onRetry?.(judged.message, waitMs);
      try {
        await delay(waitMs, undefined, { signal });
      } catch {
        throw interruption();
      }
      waitedMs += waitMs;
    }
  };
}

/** The results, or why the batch is to be sent again. What can never be taken is thrown. */
function judge(answer: ApiAnswer, events: number, url: string): EventResult[] | CommandError {
  if (answer.status === 200 || answer.status === 202) {
    const { results, retry } = JSON.parse(answer.text) as ManyReceipt;
    return retry > 0 ? new CommandError(`${retry} events were not confirmed`) : [...results];
  }
  if (answer.status === 429 || (answer.status === 503 && readProblem(answer)?.retriable !== false)) {
    return problemError(answer, url);
  }
  const refused = readRefusals(answer, events);
  if (refused) return refused;
  throw problemError(answer, url);
}

/** 422: nothing valid in the batch. The paths of its errors start with the event's index. */
function readRefusals(answer: ApiAnswer, events: number): EventResult[] | null {
  const problem = answer.status === 422 ? readProblem(answer) : null;
  if (!problem) return null;
  if ('results' in problem && Array.isArray(problem.results)) return problem.results as EventResult[];
  return Array.from({ length: events }, (_, index) => {
    const own = problem.errors?.find(({ path }) => path === `/${index}` || path.startsWith(`/${index}/`));
    // The server lists a bounded number of problems.
    const unlisted = { code: problem.code, path: '', message: 'not valid, like every event of its batch' };
    return { status: 'rejected', error: own ? { ...own, path: own.path.slice(`/${index}`.length) } : unlisted };
  });
}

function retryAfterMs(outcome: ApiAnswer | UnreachableError): number {
  if (outcome instanceof UnreachableError) return 0;
  const seconds = Number(outcome.headers.get('retry-after'));
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}
