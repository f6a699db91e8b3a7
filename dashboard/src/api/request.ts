import type {
  FailedEventDetail,
  FailedEventPage,
  FailedEventSummary,
  JobView,
  LedgerView,
  RedriveMany,
  RedriveReceipt,
} from '../../../src/http/contract.ts';
import { parseWithRawPayloads } from '../json/json-text.ts';
import { errorOf, unreachable } from './problem.ts';
import type { Events, WholeEvent } from './shapes.ts';

type Query = Readonly<Record<string, string | number | undefined>>;

/** Builds an address of the API; parameters that are undefined or empty are left out. */
export function apiPath(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') search.set(name, String(value));
  }
  return search.size > 0 ? `/api${path}?${search}` : `/api${path}`;
}

async function request<Answer>(path: string, init: RequestInit): Promise<Answer> {
  const response = await fetch(path, init).catch((error: unknown) => {
    throw error instanceof DOMException && error.name === 'AbortError' ? error : unreachable();
  });
  const text = await response.text();
  if (!response.ok) throw errorOf(response.status, text);
  return parseWithRawPayloads(text) as Answer;
}

const get = <Answer>(path: string, signal: AbortSignal) => request<Answer>(path, { signal });

/** @param json the body as text, so that a payload in it stays as it was typed */
const post = <Answer>(path: string, json: string) =>
  request<Answer>(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: json });

export type EventFilter = Readonly<{ event_type?: string; id?: string; source?: string; from?: string; to?: string }>;
export type FailedFilter = Readonly<{ state?: string; event_type?: string; reason?: string }>;

/** Rows of one page of a list. */
const pageRows = 50;

export const api = {
  events: (filter: EventFilter, cursor: string | undefined, signal: AbortSignal) =>
    get<Events>(apiPath('/events', { ...filter, limit: pageRows, cursor }), signal),

  event: (id: string, signal: AbortSignal) => get<WholeEvent>(apiPath(`/events/${encodeURIComponent(id)}`), signal),

  failedEvents: (filter: FailedFilter, limit: number | undefined, cursor: string | undefined, signal: AbortSignal) =>
    get<FailedEventPage>(apiPath('/failed-events', { ...filter, limit: limit ?? pageRows, cursor }), signal),

  failedEvent: (id: string, signal: AbortSignal) =>
    get<FailedEventDetail>(apiPath(`/failed-events/${encodeURIComponent(id)}`), signal),

  ledger: (signal: AbortSignal) => get<LedgerView>(apiPath('/ledger'), signal),

  job: (id: string, signal: AbortSignal) => get<JobView>(apiPath(`/jobs/${encodeURIComponent(id)}`), signal),

  /** @param payload raw JSON text of an object that replaces the record's own payload */
  redriveOne: (id: string, payload?: string) =>
    post<RedriveReceipt>(
      apiPath(`/failed-events/${encodeURIComponent(id)}/redrive`),
      payload === undefined ? '{}' : `{"payload":${payload}}`,
    ),

  redriveMany: (body: RedriveMany) => post<RedriveReceipt>(apiPath('/failed-events/redrive'), JSON.stringify(body)),

  discard: (id: string) =>
    request<FailedEventSummary>(apiPath(`/failed-events/${encodeURIComponent(id)}/discard`), { method: 'POST' }),
};
