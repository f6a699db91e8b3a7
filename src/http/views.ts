import { isUtf8 } from 'node:buffer';
import type { DuplicateRecord, EventEnvelope, Position, StoredEvent } from '../domain/event.ts';
import type { InboxEntry } from '../domain/inbox.ts';
import { formatRfc3339 } from '../domain/rfc3339.ts';
import { utf8Text } from '../domain/utf8.ts';
import type { Job, Page } from '../event-store/event-store.ts';
import type {
  EventDetail,
  EventView,
  FailedEventDetail,
  FailedEventSummary,
  JobView,
  TimelineEntry,
} from './contract.ts';

/**
 * A payload is raw JSON text whose numbers have any precision, so it is never parsed here: an answer that holds
 * payloads is text, its head made by JSON.stringify and the payload spliced in after it.
 */
export type ViewableEvent = Omit<EventEnvelope, 'redriveOf'> & {
  readonly position: Position;
  readonly storedAt: number;
};

export function eventJson(event: ViewableEvent): string {
  const head: Omit<EventView, 'payload'> = {
    id: event.id,
    event_type: event.eventType,
    client_id: event.clientId,
    source: event.source,
    key: event.key,
    occurred_at: event.occurredAt,
    received_at: formatRfc3339(event.receivedAt),
    stored_at: formatRfc3339(event.storedAt),
    partition: event.position.partition,
    offset: event.position.offset,
  };
  return withPayload(head, event.payloadJson);
}

export function eventPageJson({ items, nextCursor }: Page<StoredEvent>): string {
  return `{"events":[${items.map(eventJson).join(',')}],"next_cursor":${JSON.stringify(nextCursor)}}`;
}

/** @param head an object with at least one member */
function withPayload(head: object, payloadJson: string): string {
  return `${JSON.stringify(head).slice(0, -1)},"payload":${payloadJson}}`;
}

/** What the inbox knows of one event: its rows, newest first, and the jobs that redrove them. */
export interface InboxHistory {
  readonly entries: readonly InboxEntry[];
  readonly jobs: ReadonlyMap<string, Job>;
}

export function storedEventJson(
  event: StoredEvent,
  duplicates: readonly DuplicateRecord[],
  history: InboxHistory,
): string {
  const { partition, offset } = event.position;
  const head: Omit<EventDetail, 'payload'> = {
    id: event.id,
    status: 'stored',
    event_type: event.eventType,
    client_id: event.clientId,
    source: event.source,
    key: event.key,
    occurred_at: event.occurredAt,
    received_at: formatRfc3339(event.receivedAt),
    stored_at: formatRfc3339(event.storedAt),
    partition,
    offset,
    failed_event: history.entries.find(isUnsettled)?.id ?? null,
    timeline: inOrder([
      { at: formatRfc3339(event.receivedAt), what: 'received', partition, offset },
      { at: formatRfc3339(event.storedAt), what: 'stored', partition, offset },
      ...duplicates.map((duplicate) => ({
        at: formatRfc3339(duplicate.receivedAt),
        what: 'duplicate' as const,
        partition: duplicate.position.partition,
        offset: duplicate.position.offset,
      })),
      ...historyEntries(history),
    ]),
  };
  return withPayload(head, event.payloadJson);
}

/** An event that is in the inbox and not in the store. `newest` is the first of the history's rows. */
export function failedEventJson(newest: InboxEntry, history: InboxHistory): string {
  const { partition, offset } = newest.position;
  const detail: EventDetail = {
    id: newest.eventId ?? '',
    status: 'failed',
    event_type: newest.eventType,
    client_id: null,
    source: null,
    key: newest.key,
    occurred_at: null,
    received_at: formatRfc3339(newest.receivedAt),
    stored_at: null,
    partition,
    offset,
    payload: null,
    failed_event: newest.id,
    timeline: inOrder([
      ...history.entries.map((entry) => ({
        at: formatRfc3339(entry.receivedAt),
        what: 'received' as const,
        partition: entry.position.partition,
        offset: entry.position.offset,
      })),
      ...historyEntries(history),
    ]),
  };
  return JSON.stringify(detail);
}

function isUnsettled({ state }: InboxEntry): boolean {
  return state === 'open' || state === 'redriving';
}

function historyEntries({ entries, jobs }: InboxHistory): TimelineEntry[] {
  return entries.flatMap((entry) => {
    const { partition, offset } = entry.position;
    const timeline: TimelineEntry[] = [
      { at: formatRfc3339(entry.failedAt), what: 'failed', partition, offset, note: `${entry.code}: ${entry.message}` },
    ];
    const job = entry.jobId === null ? undefined : jobs.get(entry.jobId);
    if (job)
      timeline.push({ at: formatRfc3339(job.createdAt), what: 'redriven', partition, offset, note: `job ${job.id}` });
    if (entry.settledAt !== null) {
      timeline.push({
        at: formatRfc3339(entry.settledAt),
        what: 'resolved',
        partition,
        offset,
        note: resolutionNote(entry),
      });
    }
    return timeline;
  });
}

function resolutionNote({ resolution }: InboxEntry): string {
  switch (resolution?.kind) {
    case 'stored':
    case 'duplicate':
      return `${resolution.kind} as ${resolution.eventId}`;
    case 'failed_again':
      return `failed again as ${resolution.inboxId}`;
    default:
      return 'discarded';
  }
}

/** Oldest first; the sort is stable, so what happened in one millisecond keeps the order it is told in. */
function inOrder(timeline: readonly TimelineEntry[]): TimelineEntry[] {
  return [...timeline].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

export function failedEventSummary(entry: InboxEntry): FailedEventSummary {
  return {
    id: entry.id,
    state: entry.state,
    reason: { code: entry.code, message: entry.message },
    attempt: entry.attempt,
    event_id: entry.eventId,
    event_type: entry.eventType,
    key: entry.key,
    origin: { log_no: entry.position.logNo, partition: entry.position.partition, offset: entry.position.offset },
    received_at: formatRfc3339(entry.receivedAt),
    failed_at: formatRfc3339(entry.failedAt),
    job_id: entry.jobId,
    settled_at: entry.settledAt === null ? null : formatRfc3339(entry.settledAt),
    resolution: resolutionView(entry),
    value_bytes: entry.value.byteLength,
  };
}

function resolutionView({ resolution }: InboxEntry): FailedEventSummary['resolution'] {
  if (resolution === null) return null;
  switch (resolution.kind) {
    case 'failed_again':
      return { kind: resolution.kind, failed_event: resolution.inboxId };
    case 'discarded':
      return { kind: resolution.kind };
    default:
      return { kind: resolution.kind, event_id: resolution.eventId };
  }
}

export function failedEventDetail(entry: InboxEntry): FailedEventDetail {
  const text = isUtf8(entry.value) ? utf8Text(entry.value) : null;
  return {
    ...failedEventSummary(entry),
    value: text,
    value_base64: text === null ? Buffer.from(entry.value).toString('base64') : null,
  };
}

export function jobView(job: Job): JobView {
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    total: job.total,
    done: job.done,
    failed: job.failed,
    message: job.message,
    created_at: formatRfc3339(job.createdAt),
    updated_at: formatRfc3339(job.updatedAt),
  };
}
