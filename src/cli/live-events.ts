import { createJsonScanner, skipSpace } from '../domain/json-scan.ts';
import { utf8Text } from '../domain/utf8.ts';
import type { EventView, LiveEvents } from '../http/contract.ts';

/** An event of the live feed, with the texts it came as: parsed and printed again, long numbers would lose digits. */
export interface LiveEvent {
  readonly view: EventView;
  readonly text: string;
  readonly payloadText: string;
}

/** Reads the data of one `event` message of /api/live. */
export function readLiveEvents(data: string): { readonly events: readonly LiveEvent[]; readonly leftOut: number } {
  const views = JSON.parse(data) as LiveEvents;
  const list = Buffer.from(fieldText(Buffer.from(data), 'events'));
  const scanner = createJsonScanner();
  const events: LiveEvent[] = [];
  let at = skipSpace(list, 1, list.length);
  for (const view of views.events) {
    const end = scanner.value(list, at, list.length);
    const event = list.subarray(at, end);
    events.push({ view, text: utf8Text(event), payloadText: fieldText(event, 'payload') });
    // Past the comma; after the last one, past the bracket.
    at = skipSpace(list, skipSpace(list, end, list.length) + 1, list.length);
  }
  return { events, leftOut: views.left_out };
}

function fieldText(object: Uint8Array, name: string): string {
  const scanner = createJsonScanner();
  scanner.value(object, 0, object.length);
  const field = scanner.fields
    .slice(0, scanner.fieldCount)
    .find(({ keyStart, keyEnd }) => utf8Text(object, keyStart, keyEnd) === `"${name}"`);
  return field ? utf8Text(object, field.start, field.end) : 'null';
}
