import type { StoredEvent } from '../domain/event.ts';
import { resolveEventId } from '../domain/identity.ts';
import type { EventQuery, Page } from './event-store.ts';

/** The one event that a client sent under this id, as a page. The client's id leads to the event's id, so it needs no index. */
export async function pageOfClientId(
  query: EventQuery,
  clientId: string,
  event: (id: string) => Promise<StoredEvent | null>,
): Promise<Page<StoredEvent>> {
  const { eventType, source = null, from = -Infinity, to = Infinity } = query;
  const found = await event(resolveEventId({ id: clientId, source }).id);
  const matches =
    found !== null &&
    found.source === source &&
    (eventType === undefined || found.eventType === eventType) &&
    found.receivedAt >= from &&
    found.receivedAt < to;
  return { items: matches ? [found] : [], nextCursor: null };
}
