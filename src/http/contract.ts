import { type Schema, type Static, Type } from '../domain/json-schema.ts';
import { EventInput } from '../ingest/event-input.ts';

/**
 * The shapes of every answer, as JSON Schema: /openapi.json is made of them, answers are checked against them in tests,
 * and the dashboard and the command line import their types. Field names are snake_case; times are RFC 3339 UTC with
 * milliseconds.
 */
const nullable = <Described extends Schema>(schema: Described) => Type.Union([schema, Type.Null()]);
const count = Type.Integer({ minimum: 0 });
const time = Type.String({ format: 'date-time' });

/** What a client sends: the validator's own schema. */
export { EventInput };

export const ProblemDocument = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String(),
  retriable: Type.Boolean(),
  errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), code: Type.String(), message: Type.String() }))),
});
export type ProblemDocument = Static<typeof ProblemDocument>;

export const EventResult = Type.Union([
  Type.Object({ id: Type.String(), status: Type.Literal('accepted') }),
  Type.Object({ id: Type.String(), status: Type.Literal('retry') }),
  Type.Object({ id: Type.String(), status: Type.Literal('stored') }),
  Type.Object({ id: Type.String(), status: Type.Literal('duplicate') }),
  Type.Object({ id: Type.String(), status: Type.Literal('failed'), failed_event: Type.String() }),
  Type.Object({
    status: Type.Literal('rejected'),
    error: Type.Object({ code: Type.String(), path: Type.String(), message: Type.String() }),
  }),
]);
export type EventResult = Static<typeof EventResult>;

export const ManyReceipt = Type.Object({
  accepted: count,
  rejected: count,
  retry: count,
  results: Type.Array(EventResult),
});
export type ManyReceipt = Static<typeof ManyReceipt>;

export const EventView = Type.Object({
  id: Type.String(),
  event_type: Type.String(),
  client_id: nullable(Type.String()),
  source: nullable(Type.String()),
  key: nullable(Type.String()),
  occurred_at: nullable(Type.String()),
  received_at: time,
  stored_at: time,
  partition: count,
  offset: count,
  payload: Type.Object({}, { additionalProperties: true }),
});
export type EventView = Static<typeof EventView>;

export const TimelineEntry = Type.Object({
  at: time,
  what: Type.Union([
    Type.Literal('received'),
    Type.Literal('stored'),
    Type.Literal('duplicate'),
    Type.Literal('failed'),
    Type.Literal('redriven'),
    Type.Literal('resolved'),
  ]),
  partition: Type.Optional(count),
  offset: Type.Optional(count),
  note: Type.Optional(Type.String()),
});
export type TimelineEntry = Static<typeof TimelineEntry>;

/** `GET /api/events/{id}`: stored_at and payload are null where the event is in the inbox and could not be stored. */
export const EventDetail = Type.Object({
  id: Type.String(),
  status: Type.Union([Type.Literal('stored'), Type.Literal('failed')]),
  event_type: nullable(Type.String()),
  client_id: nullable(Type.String()),
  source: nullable(Type.String()),
  key: nullable(Type.String()),
  occurred_at: nullable(Type.String()),
  received_at: time,
  stored_at: nullable(time),
  partition: count,
  offset: count,
  payload: nullable(Type.Object({}, { additionalProperties: true })),
  failed_event: nullable(Type.String()),
  timeline: Type.Array(TimelineEntry),
});
export type EventDetail = Static<typeof EventDetail>;

export const EventPage = Type.Object({ events: Type.Array(EventView), next_cursor: nullable(Type.String()) });
export type EventPage = Static<typeof EventPage>;

const quantiles = { p50: nullable(Type.Number()), p95: nullable(Type.Number()), p99: nullable(Type.Number()) };
const byType = Type.Array(Type.Object({ event_type: Type.String(), count }));

export const MetricsView = Type.Object({
  window: Type.String(),
  total: count,
  duplicates: count,
  failed: count,
  by_type: byType,
  rate_per_second: Type.Number(),
  latency_ms: Type.Object(quantiles),
  lag_seconds: Type.Number(),
  step_seconds: Type.Integer(),
  series: Type.Array(Type.Object({ at: time, count, ...quantiles })),
  all_time: Type.Object({ total: count, duplicates: count, failed: count, by_type: byType }),
  as_of: time,
});
export type MetricsView = Static<typeof MetricsView>;

const outcomes = { stored: count, duplicate: count, failed: count, lost: count, skipped: count };

export const LedgerPartition = Type.Object({
  log_no: Type.Integer(),
  partition: count,
  base: count,
  next_offset: count,
  log_end: nullable(count),
  appended: count,
  ...outcomes,
  in_flight: count,
  pruned: count,
  balanced: Type.Boolean(),
  /** Null while the partition is worked on. */
  halted: nullable(Type.String()),
});
export const LedgerView = Type.Object({
  appended: count,
  ...outcomes,
  in_flight: count,
  pruned: count,
  open_in_inbox: count,
  balanced: Type.Boolean(),
  as_of: time,
  partitions: Type.Array(LedgerPartition),
});
export type LedgerView = Static<typeof LedgerView>;

export const FailedEventSummary = Type.Object({
  id: Type.String(),
  state: Type.Union([
    Type.Literal('open'),
    Type.Literal('redriving'),
    Type.Literal('resolved'),
    Type.Literal('discarded'),
  ]),
  reason: Type.Object({ code: Type.String(), message: Type.String() }),
  attempt: Type.Integer({ minimum: 1 }),
  event_id: nullable(Type.String()),
  event_type: nullable(Type.String()),
  key: nullable(Type.String()),
  origin: Type.Object({ log_no: Type.Integer(), partition: count, offset: count }),
  received_at: time,
  failed_at: time,
  job_id: nullable(Type.String()),
  settled_at: nullable(time),
  resolution: nullable(
    Type.Object({
      kind: Type.String(),
      event_id: Type.Optional(Type.String()),
      failed_event: Type.Optional(Type.String()),
    }),
  ),
  value_bytes: count,
});
export type FailedEventSummary = Static<typeof FailedEventSummary>;

/** One failed event whole: the record's value as text, or as base64 where it is not UTF-8. */
export const FailedEventDetail = Type.Object({
  ...FailedEventSummary.properties,
  value: nullable(Type.String()),
  value_base64: nullable(Type.String()),
});
export type FailedEventDetail = Static<typeof FailedEventDetail>;

export const FailedEventPage = Type.Object({
  failed_events: Type.Array(FailedEventSummary),
  next_cursor: nullable(Type.String()),
});
export type FailedEventPage = Static<typeof FailedEventPage>;

/** The body of `POST /api/failed-events/{id}/redrive`; `payload` replaces the record's own. */
export const RedriveOne = Type.Object(
  { payload: Type.Optional(Type.Object({}, { additionalProperties: true })) },
  { additionalProperties: false },
);
/** No text that is stored has a NUL, and PostgreSQL takes none to compare with. */
export const noNul = '^[^\\u0000]*$';

export const RedriveMany = Type.Object(
  {
    ids: Type.Optional(Type.Array(Type.String({ pattern: noNul }), { minItems: 1, maxItems: 10_000 })),
    filter: Type.Optional(
      Type.Object(
        {
          event_type: Type.Optional(Type.String({ pattern: noNul })),
          reason: Type.Optional(Type.String({ pattern: noNul })),
        },
        { additionalProperties: false },
      ),
    ),
    dry_run: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type RedriveMany = Static<typeof RedriveMany>;

/** Of a dry run `job_id` is null. `skipped` counts ids that are not open or hold no event. */
export const RedriveReceipt = Type.Object({
  job_id: nullable(Type.String()),
  matched: count,
  skipped: count,
  taken: count,
});
export type RedriveReceipt = Static<typeof RedriveReceipt>;

export const JobView = Type.Object({
  id: Type.String(),
  kind: Type.Literal('redrive'),
  state: Type.Union([Type.Literal('running'), Type.Literal('done'), Type.Literal('failed')]),
  total: count,
  done: count,
  failed: count,
  message: nullable(Type.String()),
  created_at: time,
  updated_at: time,
});
export type JobView = Static<typeof JobView>;

export const ReadinessView = Type.Object({
  ready: Type.Boolean(),
  reasons: Type.Array(Type.Object({ code: Type.String(), message: Type.String() })),
});
export type ReadinessView = Static<typeof ReadinessView>;

/**
 * The `snapshot` message of `GET /api/live?window=…`: everything the dashboard's first screen shows. Of the types,
 * which may be thousands, both lists have the most frequent, and `types` counts all of the window. Null is what could
 * not be read so far.
 */
export const LiveSnapshot = Type.Object({
  metrics: nullable(Type.Object({ ...MetricsView.properties, types: count })),
  ledger: nullable(LedgerView),
  readiness: ReadinessView,
});
export type LiveSnapshot = Static<typeof LiveSnapshot>;

/** The `event` message of `GET /api/live`: recent events, sampled; `left_out` counts those not shown since the last. */
export const LiveEvents = Type.Object({ events: Type.Array(EventView), left_out: count });
export type LiveEvents = Static<typeof LiveEvents>;

/** `POST /api/verify`: empty where rows, rollups, totals and progress tell the same. */
export const VerifyView = Type.Object({
  discrepancies: Type.Array(Type.Object({ code: Type.String(), message: Type.String() })),
});
export type VerifyView = Static<typeof VerifyView>;

/** `POST /api/metrics/rebuild`: the number of partitions whose metrics were made anew from the store. */
export const RebuildView = Type.Object({ partitions: count });
export type RebuildView = Static<typeof RebuildView>;
