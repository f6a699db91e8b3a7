import type { EventEnvelope } from '../domain/event.ts';
import { decodeRecord } from '../domain/record-codec.ts';
import { createIngest, type IngestOptions, type IngestRequest } from '../ingest/ingest.ts';
import type { IngestAnswer } from '../ingest/ingest-answer.ts';
import { createTelemetry, type TelemetryEventName } from '../telemetry/telemetry.ts';
import { type ControlledLog, createControlledLog } from './controlled-log.ts';
import { envelopeOf } from './envelope-of.ts';

export const receivedAt = 1_700_000_000_123;

/** Ingest over a log in memory, and what it announced. Lanes answer at once unless `isOpen` is false. */
export function createIngestHarness(options: Partial<IngestOptions> & { isOpen?: boolean; lanes?: number } = {}) {
  const { isOpen = true, lanes = 1, ...more } = options;
  const log = createControlledLog({ partitions: 8, lanes, isOpen });
  const telemetry = createTelemetry();
  const announced: [TelemetryEventName, unknown][] = [];
  telemetry.onAny((name, payload) => announced.push([name, payload]));
  const ingest = createIngest({ log, telemetry, now: () => receivedAt, ...more });
  const submit = (body: string | Uint8Array, request: Partial<IngestRequest> = {}) =>
    ingest.submit({
      body: typeof body === 'string' ? Buffer.from(body) : body,
      contentType: 'application/json',
      contentEncoding: undefined,
      idempotencyKey: undefined,
      owner: 'anonymous',
      ...request,
    });
  return { log, ingest, submit, announced };
}

export const ndjson = { contentType: 'application/x-ndjson' };
export const minimal = '{"event_type":"a","payload":{}}';
export const withPayload = (payload: string) => `{"event_type":"a","payload":${payload}}`;

export const eventsIn = (log: ControlledLog): EventEnvelope[] =>
  log
    .appended()
    .flat()
    .map(({ value }) => {
      const result = decodeRecord(value, receivedAt);
      if (!result.ok) throw new Error(result.rejection.message);
      return envelopeOf(result.event);
    });

export function accepted(answer: IngestAnswer) {
  if (answer.kind !== 'accepted') throw new Error(JSON.stringify(answer));
  return answer;
}
export function many(answer: IngestAnswer) {
  if (answer.kind !== 'many') throw new Error(JSON.stringify(answer));
  return answer;
}
export function refused(answer: IngestAnswer) {
  if (answer.kind !== 'refused') throw new Error(JSON.stringify(answer));
  return answer;
}
export const problemsOf = (answer: IngestAnswer) => refused(answer).problems.map(({ path, code }) => `${path} ${code}`);
export const idsOf = (answer: IngestAnswer) =>
  many(answer).results.map((result) => (result.status === 'rejected' ? null : result.id));
