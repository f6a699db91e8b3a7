import type { EventContent, EventEnvelope } from './event.ts';
import { asBuffer, utf8Text } from './utf8.ts';

/**
 * An event whose payload still stands in its record. The text of it is made when somebody asks, and on the way into the
 * store nobody does: bytes are copied, hashed and sent, and no string of a payload is made, kept and collected.
 */
export class RecordedEvent implements EventEnvelope {
  readonly id: string;
  readonly eventType: string;
  readonly clientId: string | null;
  readonly source: string | null;
  readonly key: string | null;
  readonly occurredAt: string | null;
  readonly receivedAt: number;
  readonly redriveOf: string | null;
  /** UTF-8; the payload is from `payloadStart` to `payloadEnd`. */
  readonly record: Uint8Array;
  readonly payloadStart: number;
  readonly payloadEnd: number;

  /** Each by itself: an object to hand them over in would be made for every record, and thrown away. */
  constructor(
    id: string,
    eventType: string,
    clientId: string | null,
    source: string | null,
    key: string | null,
    occurredAt: string | null,
    receivedAt: number,
    redriveOf: string | null,
    record: Uint8Array,
    payloadStart: number,
    payloadEnd: number,
  ) {
    this.id = id;
    this.eventType = eventType;
    this.clientId = clientId;
    this.source = source;
    this.key = key;
    this.occurredAt = occurredAt;
    this.receivedAt = receivedAt;
    this.redriveOf = redriveOf;
    this.record = record;
    this.payloadStart = payloadStart;
    this.payloadEnd = payloadEnd;
  }

  get payloadJson(): string {
    return utf8Text(this.record, this.payloadStart, this.payloadEnd);
  }
}

/** UTF-8 takes at most three bytes for each unit of a JavaScript string. */
export const bytesPerUnitMax = 3;

/** Bytes that an event's payload has as UTF-8, or somewhat more. */
export function payloadBytesMax(event: Pick<EventContent, 'payloadJson'>): number {
  if (event instanceof RecordedEvent) return event.payloadEnd - event.payloadStart;
  return event.payloadJson.length * bytesPerUnitMax;
}

/** Writes the payload as UTF-8. @returns how many bytes it has */
export function writePayload(event: Pick<EventContent, 'payloadJson'>, target: Buffer, at: number): number {
  if (!(event instanceof RecordedEvent)) return target.write(event.payloadJson, at);
  return asBuffer(event.record).copy(target, at, event.payloadStart, event.payloadEnd);
}
