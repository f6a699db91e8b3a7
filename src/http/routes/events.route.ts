import type { FastifyInstance } from 'fastify';
import type { StoredEvent } from '../../domain/event.ts';
import { isUuid, resolveEventId } from '../../domain/identity.ts';
import { limits } from '../../domain/limits.ts';
import { parseRfc3339 } from '../../domain/rfc3339.ts';
import type { EventQuery, Job, Page } from '../../event-store/event-store.ts';
import type { AnswerRoom } from '../answer-room.ts';
import { EventDetail, EventPage } from '../contract.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { json } from '../describe.ts';
import { EventsQuery, IdParameter, NoQuery } from '../parameters.ts';
import { ProblemError } from '../problems.ts';
import { readPage } from '../read-page.ts';
import { eventPageJson, failedEventJson, type InboxHistory, storedEventJson } from '../views.ts';

const jsonType = 'application/json; charset=utf-8';
/** Inbox rows that one timeline tells: an event that failed more often is in trouble anyway. */
const inboxRowsTold = 20;

type Store = HttpDependencies['store'];

export function registerEventsRoutes(
  app: FastifyInstance,
  { store }: Pick<HttpDependencies, 'store'>,
  room: AnswerRoom,
): void {
  app.get<{ Querystring: EventsQuery }>(
    '/api/events',
    {
      schema: { querystring: EventsQuery },
      config: {
        describe: {
          tag: 'Events',
          summary: 'Stored events, newest first',
          answers: { 200: json('A page of events', EventPage) },
          problems: ['invalid_request', 'invalid_cursor', 'store_unavailable', 'too_many_answers'],
        },
      },
    },
    async (request, reply) => {
      const page = await room.answer(reply, async () => eventPageJson(await findEvents(store, request.query)));
      return reply.header('content-type', jsonType).send(page);
    },
  );

  app.get<{ Params: IdParameter }>(
    '/api/events/:id',
    {
      schema: { params: IdParameter, querystring: NoQuery },
      config: {
        describe: {
          tag: 'Events',
          summary: 'One event with everything that happened to it',
          answers: { 200: json('The event and its timeline', EventDetail) },
          problems: ['event_not_found', 'store_unavailable', 'too_many_answers'],
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const detail = await room.answer(reply, () => eventDetailJson(store, isUuid(id) ? id.toLowerCase() : id));
      return reply.header('content-type', jsonType).send(detail);
    },
  );
}

async function findEvents(store: Store, query: EventsQuery): Promise<Page<StoredEvent>> {
  const { event_type: eventType, source, id, from, to, limit = limits.listLimitDefault, cursor } = query;
  const conditions: EventQuery = {
    limit,
    ...(eventType === undefined ? {} : { eventType }),
    ...(source === undefined ? {} : { source }),
    ...(from === undefined ? {} : { from: timeOf(from) }),
    ...(to === undefined ? {} : { to: timeOf(to) }),
    ...(cursor === undefined ? {} : { cursor }),
  };
  if (id !== undefined) return oneEvent(await findEvent(store, id, source ?? null), conditions);
  return readPage(
    conditions,
    (piece) => store.events(piece),
    (event) => event.payloadJson.length,
  );
}

/** By its id, or by the one that its client gave it, which leads to its id: it needs no index. */
async function findEvent(store: Store, id: string, source: string | null): Promise<StoredEvent | null> {
  const own = source === null && isUuid(id) ? await store.event(id.toLowerCase()) : null;
  return own ?? store.event(resolveEventId({ id, source }).id);
}

/** The schema has checked that it is a time. */
function timeOf(text: string): number {
  return parseRfc3339(text) ?? 0;
}

function oneEvent(event: StoredEvent | null, { eventType, from, to }: EventQuery): Page<StoredEvent> {
  const meets =
    event !== null &&
    (eventType === undefined || event.eventType === eventType) &&
    (from === undefined || event.receivedAt >= from) &&
    (to === undefined || event.receivedAt < to);
  return { items: meets ? [event] : [], nextCursor: null };
}

async function eventDetailJson(store: Store, id: string): Promise<string> {
  const [event, history] = await Promise.all([store.event(id), inboxHistory(store, id)]);
  if (event !== null) return storedEventJson(event, await store.duplicatesOf(id), history);
  const [newest] = history.entries;
  if (newest !== undefined) return failedEventJson(newest, history);
  if (isUuid(id)) {
    const detail = 'No event with this id is stored. If it was accepted a moment ago, ask again in a moment.';
    throw new ProblemError('event_not_found', detail);
  }
  const detail =
    'Ids of events are UUIDs. By the id that its client gave it an event is found with /api/events?source=…&id=….';
  throw new ProblemError('event_not_found', detail, { members: { retriable: false } });
}

async function inboxHistory(store: Store, eventId: string): Promise<InboxHistory> {
  const { items } = await store.inboxEntries({ eventId, limit: inboxRowsTold });
  const jobIds = new Set(items.flatMap(({ jobId }) => (jobId === null ? [] : [jobId])));
  const jobs = new Map<string, Job>();
  for (const jobId of jobIds) {
    const job = await store.job(jobId);
    if (job !== null) jobs.set(jobId, job);
  }
  return { entries: items, jobs };
}
