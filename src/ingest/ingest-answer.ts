import type { JsonProblem } from '../domain/json-problem.ts';
import type { RecordToAppend } from '../event-log/event-log.ts';
import type { AppendedRecord } from '../event-store/event-store.ts';

/** Why nothing, or nothing for certain, of a request was taken. http/problems.ts has status and title of each. */
export type RefusalCode =
  // The request can't be read. Nothing of it was taken.
  | 'empty_body'
  | 'invalid_encoding'
  | 'invalid_json'
  | 'invalid_request'
  | 'body_too_large'
  | 'too_many_events'
  | 'unsupported_media_type'
  | 'unsupported_encoding'
  | 'invalid_event'
  // Not now. Nothing of it was taken.
  | ClosedCode
  | 'queue_full'
  // The log did not say that it has them: `results` has the ids to send again under.
  | UnconfirmedCode;

/** What the gate may say while ingest must not append. */
export type ClosedCode = 'disk_full' | 'log_replaced' | 'shutting_down';

export type UnconfirmedCode = 'not_confirmed' | 'log_unavailable' | 'disk_full' | 'log_replaced' | 'internal';

export type EventResult =
  | ({ readonly status: 'accepted' } & AppendedRecord)
  | { readonly status: 'rejected'; readonly problem: JsonProblem }
  /** Perhaps in the log, perhaps not: to be sent again under this id. */
  | { readonly status: 'retry'; readonly id: string };

export interface Refusal {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly detail: string;
  /** How many events the request was found to hold; 0 where it could not be read to its end. */
  readonly events: number;
  /** At most limits.problemsListedMax. */
  readonly problems: readonly JsonProblem[];
  /** Given where some of the events may have been taken. */
  readonly results: readonly EventResult[] | null;
}

export type IngestAnswer =
  /** One event that was sent as one: durable in the log. */
  | ({ readonly kind: 'accepted' } & AppendedRecord)
  /** Many, at least one of them accepted. */
  | {
      readonly kind: 'many';
      readonly accepted: number;
      readonly rejected: number;
      readonly retry: number;
      /** Where every event was accepted, their records, which have their ids; else null. */
      readonly allAccepted: readonly RecordToAppend[] | null;
      /** Of each event, in order. Made when it is asked for: mostly `allAccepted` is all that is wanted. */
      readonly results: readonly EventResult[];
    }
  | Refusal;
