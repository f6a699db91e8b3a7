import { hash } from 'node:crypto';
import type { EventContent } from './event.ts';
import { isSameJson } from './json-value.ts';

/**
 * First 16 bytes of SHA-256 over the content's bytes, which tell most repeats of an event without comparing values. Equal
 * hashes mean equal content; unequal ones only that `sameContent` has to look.
 */
export function hashContent({ eventType, source, occurredAt, payloadJson }: EventContent): Uint8Array {
  // Each free text stands behind its length, so that no two contents run together to the same bytes.
  const head = `${part(eventType)}${part(source)}${part(occurredAt)}`;
  return hash('sha256', head + payloadJson, 'buffer').subarray(0, 16);
}

function part(text: string | null): string {
  return text === null ? '-' : `${text.length}:${text}`;
}

/** Whether two events with one id are the same event: payloads compared as JSON values, exactly. */
export function sameContent(a: EventContent, b: EventContent): boolean {
  return (
    a.eventType === b.eventType &&
    a.source === b.source &&
    a.occurredAt === b.occurredAt &&
    isSameJson(a.payloadJson, b.payloadJson)
  );
}
