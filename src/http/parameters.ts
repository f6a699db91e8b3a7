import { type Static, Type } from '../domain/json-schema.ts';
import { limits } from '../domain/limits.ts';
import { type MetricsWindow, metricsWindows } from '../metrics-store/metrics-store.ts';
import { noNul } from './contract.ts';

/** Query and path parameters: /openapi.json is made of these, and requests are checked against them. */
const limit = Type.Integer({
  minimum: 1,
  maximum: limits.listLimitMax,
  default: limits.listLimitDefault,
  description: 'How many to answer at most',
});
const cursor = Type.String({ minLength: 1, maxLength: 1_000, description: '`next_cursor` of the page before' });
const closed = { additionalProperties: false };

export const EventsQuery = Type.Object(
  {
    event_type: Type.Optional(Type.String({ minLength: 1, maxLength: limits.eventTypeCharactersMax, pattern: noNul })),
    source: Type.Optional(Type.String({ minLength: 1, maxLength: limits.sourceCharactersMax, pattern: noNul })),
    id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.idCharactersMax,
        description: 'The id as the client sent it; with `source` where the event was sent with one',
      }),
    ),
    from: Type.Optional(Type.String({ format: 'date-time', description: 'received_at from this time on' })),
    to: Type.Optional(Type.String({ format: 'date-time', description: 'received_at before this time' })),
    limit: Type.Optional(limit),
    cursor: Type.Optional(cursor),
  },
  closed,
);
export type EventsQuery = Static<typeof EventsQuery>;

export const IngestQuery = Type.Object(
  {
    wait: Type.Optional(
      Type.String({
        enum: ['stored'],
        description: 'Answer once the events are stored, or after 5 s (prefer: wait=N)',
      }),
    ),
  },
  closed,
);
export type IngestQuery = Static<typeof IngestQuery>;

export const FailedEventsQuery = Type.Object(
  {
    state: Type.Optional(Type.String({ enum: ['open', 'redriving', 'resolved', 'discarded'] })),
    event_type: Type.Optional(Type.String({ minLength: 1, maxLength: limits.eventTypeCharactersMax, pattern: noNul })),
    reason: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, pattern: noNul, description: "The reason's code" }),
    ),
    limit: Type.Optional(limit),
    cursor: Type.Optional(cursor),
  },
  closed,
);
export type FailedEventsQuery = Static<typeof FailedEventsQuery>;

export const WindowQuery = Type.Object(
  { window: Type.Optional(Type.String({ enum: Object.keys(metricsWindows), default: '15m' })) },
  closed,
);
export type WindowQuery = { readonly window: MetricsWindow };

export const IdParameter = Type.Object({ id: Type.String({ minLength: 1, maxLength: 300, pattern: noNul }) });
export type IdParameter = Static<typeof IdParameter>;

export const NoQuery = Type.Object({}, closed);
