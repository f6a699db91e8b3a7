import { Type } from '../domain/json-schema.ts';
import { EventInput, EventResult, ManyReceipt } from './contract.ts';
import type { RouteDescription } from './describe.ts';

const OneOrMany = Type.Union([EventInput, Type.Array(EventInput, { minItems: 1 })]);
const Lines = Type.String({ description: 'One event a line; blank lines are skipped' });
const Receipt = Type.Union([EventResult, ManyReceipt]);
const receipt = { 'application/json': Receipt };

/** What /openapi.json says of POST /api/events. */
export const describeIngest: RouteDescription = {
  tag: 'Events',
  summary: 'Sends one event or many',
  description:
    'Answers once the log has the events on stable storage. A request is wholly read and checked before any of it is taken: ' +
    'after a 4xx nothing of it was.',
  headers: {
    'idempotency-key': {
      description:
        'Events without an id get one derived from this and their bytes, so the whole request can be sent again',
    },
    'content-encoding': { description: 'identity, gzip, br, deflate or zstd' },
    prefer: { description: '`wait=N`: wait up to N seconds for the events to be stored' },
  },
  body: {
    required: true,
    contents: { 'application/json': OneOrMany, 'application/x-ndjson': Lines, 'application/jsonl': Lines },
  },
  answers: {
    200: { description: 'Asked to wait, and every event is settled: stored, duplicate or failed', contents: receipt },
    202: {
      description: 'Accepted: durable in the log',
      contents: receipt,
      headers: { location: 'Of one event: where it can be read once it is stored' },
    },
  },
  problems: [
    'invalid_request',
    'invalid_json',
    'empty_body',
    'invalid_encoding',
    'request_timeout',
    'body_too_large',
    'too_many_events',
    'unsupported_media_type',
    'unsupported_encoding',
    'invalid_event',
    'overloaded',
    'queue_full',
    'not_confirmed',
    'log_unavailable',
    'log_replaced',
    'disk_full',
    'shutting_down',
  ],
};
