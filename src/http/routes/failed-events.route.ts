import type { FastifyInstance } from 'fastify';
import type { InboxEntry } from '../../domain/inbox.ts';
import { limits } from '../../domain/limits.ts';
import type { InboxQuery } from '../../event-store/event-store.ts';
import type { AnswerRoom } from '../answer-room.ts';
import {
  FailedEventDetail,
  FailedEventPage,
  FailedEventSummary,
  RedriveMany,
  RedriveOne,
  RedriveReceipt,
} from '../contract.ts';
import type { HttpDependencies, RedriveRequest, RedriveStarted } from '../dependencies.ts';
import { json } from '../describe.ts';
import { parseJsonBody, readRedrivePayload, refuseBody } from '../json-body.ts';
import { FailedEventsQuery, IdParameter, NoQuery } from '../parameters.ts';
import { ProblemError } from '../problems.ts';
import { readPage } from '../read-page.ts';
import { failedEventDetail, failedEventSummary } from '../views.ts';

type Dependencies = Pick<HttpDependencies, 'store' | 'operations'>;

export function registerFailedEventsRoutes(app: FastifyInstance, dependencies: Dependencies, room: AnswerRoom): void {
  registerReading(app, dependencies, room);
  registerDiscard(app, dependencies);
  registerRedriveOne(app, dependencies);
  registerRedriveMany(app, dependencies);
}

const jsonType = 'application/json; charset=utf-8';

function registerReading(app: FastifyInstance, { store }: Dependencies, room: AnswerRoom): void {
  app.get<{ Querystring: FailedEventsQuery }>(
    '/api/failed-events',
    {
      schema: { querystring: FailedEventsQuery },
      config: {
        describe: {
          tag: 'Failed events',
          summary: 'The inbox of records that could not be stored, newest first',
          answers: { 200: json('A page of failed events', FailedEventPage) },
          problems: ['invalid_request', 'invalid_cursor', 'store_unavailable', 'too_many_answers'],
        },
      },
    },
    async ({ query }, reply) => {
      const conditions: InboxQuery = {
        limit: query.limit ?? limits.listLimitDefault,
        ...(query.state === undefined ? {} : { state: query.state as InboxEntry['state'] }),
        ...(query.event_type === undefined ? {} : { eventType: query.event_type }),
        ...(query.reason === undefined ? {} : { code: query.reason }),
        ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
      };
      const page = await room.answer(reply, async () => {
        const { items, nextCursor } = await readPage(
          conditions,
          (piece) => store.inboxEntries(piece),
          (entry) => entry.value.byteLength,
        );
        return JSON.stringify({ failed_events: items.map(failedEventSummary), next_cursor: nextCursor });
      });
      return reply.header('content-type', jsonType).send(page);
    },
  );

  app.get<{ Params: IdParameter }>(
    '/api/failed-events/:id',
    {
      schema: { params: IdParameter, querystring: NoQuery },
      config: {
        describe: {
          tag: 'Failed events',
          summary: 'One failed event, the record itself included',
          answers: { 200: json('The failed event', FailedEventDetail) },
          problems: ['failed_event_not_found', 'store_unavailable', 'too_many_answers'],
        },
      },
    },
    async ({ params: { id } }, reply) => {
      const detail = await room.answer(reply, async () =>
        JSON.stringify(failedEventDetail(await findEntry(store, id))),
      );
      return reply.header('content-type', jsonType).send(detail);
    },
  );
}

function registerDiscard(app: FastifyInstance, { store }: Dependencies): void {
  app.post<{ Params: IdParameter }>(
    '/api/failed-events/:id/discard',
    {
      schema: { params: IdParameter, querystring: NoQuery },
      preValidation: refuseBody,
      config: {
        describe: {
          tag: 'Failed events',
          summary: 'Settles an open failed event without storing it',
          answers: { 200: json('The failed event as it is now', FailedEventSummary) },
          problems: ['failed_event_not_found', 'being_redriven', 'not_redrivable', 'store_unavailable'],
        },
      },
    },
    async ({ params: { id } }) => {
      await findEntry(store, id);
      const discarded = await store.discard([id], Date.now());
      if (discarded.length === 0) throw await notPossible(store, id, 'discarded');
      return failedEventSummary(await findEntry(store, id));
    },
  );
}

function registerRedriveOne(app: FastifyInstance, { store, operations }: Dependencies): void {
  app.post<{ Params: IdParameter }>(
    '/api/failed-events/:id/redrive',
    {
      schema: { params: IdParameter, querystring: NoQuery },
      config: {
        describe: {
          tag: 'Failed events',
          summary: 'Sends one failed event through again, on request with another payload',
          body: { contents: { 'application/json': RedriveOne }, required: false },
          answers: { 202: json('The job was started', RedriveReceipt, { location: 'The job' }) },
          problems: [
            'invalid_json',
            'invalid_encoding',
            'invalid_request',
            'failed_event_not_found',
            'being_redriven',
            'not_redrivable',
            'body_too_large',
            'unsupported_media_type',
            'log_replaced',
            'disk_full',
            'log_unavailable',
            'store_unavailable',
          ],
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const payloadJson = readRedrivePayload(request);
      const entry = await findEntry(store, id);
      if (entry.state !== 'open') throw await notPossible(store, id, 'redriven');
      const started = await operations.redrive({
        select: { kind: 'ids', ids: [id] },
        dryRun: false,
        ...(payloadJson === undefined ? {} : { payloadJson }),
      });
      if (started.job === null) throw await notPossible(store, id, 'redriven');
      return reply.code(202).header('location', `/api/jobs/${started.job.id}`).send(receipt(started));
    },
  );
}

function registerRedriveMany(app: FastifyInstance, { operations }: Dependencies): void {
  app.post<{ Body: RedriveMany }>(
    '/api/failed-events/redrive',
    {
      schema: { body: RedriveMany, querystring: NoQuery },
      preValidation: parseJsonBody,
      config: {
        describe: {
          tag: 'Failed events',
          summary: 'Sends open failed events through again: those named, or those that meet a filter',
          body: { contents: { 'application/json': RedriveMany }, required: true },
          answers: {
            200: json('A dry run: nothing was done', RedriveReceipt),
            202: json('The job was started; `job_id` is null where nothing was open', RedriveReceipt, {
              location: 'The job',
            }),
          },
          problems: [
            'invalid_json',
            'empty_body',
            'invalid_encoding',
            'invalid_request',
            'body_too_large',
            'unsupported_media_type',
            'log_replaced',
            'disk_full',
            'log_unavailable',
            'store_unavailable',
          ],
        },
      },
    },
    async ({ body }, reply) => {
      const started = await operations.redrive({ select: selection(body), dryRun: body.dry_run ?? false });
      if (started.job !== null) reply.header('location', `/api/jobs/${started.job.id}`);
      return reply.code(body.dry_run ? 200 : 202).send(receipt(started));
    },
  );
}

function selection({ ids, filter }: RedriveMany): RedriveRequest['select'] {
  if (ids !== undefined && filter === undefined) return { kind: 'ids', ids };
  if (filter !== undefined && ids === undefined) {
    return {
      kind: 'filter',
      ...(filter.event_type === undefined ? {} : { eventType: filter.event_type }),
      ...(filter.reason === undefined ? {} : { code: filter.reason }),
    };
  }
  throw new ProblemError(
    'invalid_request',
    'Give either `ids` or `filter`; an empty filter takes every open failed event.',
  );
}

function receipt({ job, matched, skipped, taken }: RedriveStarted): RedriveReceipt {
  return { job_id: job?.id ?? null, matched, skipped, taken };
}

async function findEntry(store: HttpDependencies['store'], id: string): Promise<InboxEntry> {
  const entry = await store.inboxEntry(id);
  if (entry === null) throw new ProblemError('failed_event_not_found', `There is no failed event ${id}.`);
  return entry;
}

/** Why one can't be redriven or discarded, by what it has become meanwhile. */
async function notPossible(store: HttpDependencies['store'], id: string, what: string): Promise<ProblemError> {
  const { state, jobId } = await findEntry(store, id);
  const claimedBy = state === 'redriving' ? jobId : ((await store.claimsOf([id])).get(id) ?? null);
  if (claimedBy !== null) {
    return new ProblemError(
      'being_redriven',
      `Job ${claimedBy} is redriving this failed event, so it can not be ${what} now: /api/jobs/${claimedBy} tells how far it is.`,
    );
  }
  const detail =
    state === 'open'
      ? 'No event can be made of this record as it is; with another payload one can, where its event_type could be read.'
      : `This failed event is ${state}, so it can not be ${what} now.`;
  return new ProblemError('not_redrivable', detail);
}
