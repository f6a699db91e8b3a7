import { type Static, Type } from '../domain/json-schema.ts';
import { limits } from '../domain/limits.ts';

/** What a client sends: the validator's schema and the one that /openapi.json shows. An unknown field is an error. */
export const EventInput = Type.Object(
  {
    event_type: Type.String({
      minLength: 1,
      maxLength: limits.eventTypeCharactersMax,
      pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$',
      description: 'No control characters',
    }),
    payload: Type.Object({}, { additionalProperties: true, description: 'A JSON object; numbers keep every digit' }),
    id: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.idCharactersMax,
        description: 'Sending an event again under the same id (and source) stores it once',
      }),
    ),
    occurred_at: Type.Optional(
      Type.String({
        maxLength: limits.occurredAtCharactersMax,
        format: 'date-time',
        description: 'RFC 3339 with offset',
      }),
    ),
    source: Type.Optional(Type.String({ minLength: 1, maxLength: limits.sourceCharactersMax })),
    key: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: limits.keyCharactersMax,
        description: 'Events of one key stay in order; by default the event has an order of its own',
      }),
    ),
  },
  { additionalProperties: false },
);
export type EventInput = Static<typeof EventInput>;
