import { createJsonScanner, skipSpace } from '../domain/json-scan.ts';
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
  const list = fieldText(data, 'events');
  const scanner = createJsonScanner();
  const events: LiveEvent[] = [];
  let at = skipSpace(list, 1, list.length);
  for (const view of views.events) {
    const end = scanner.value(list, at, list.length);
    const text = list.slice(at, end);
    events.push({ view, text, payloadText: fieldText(text, 'payload') });
    // Past the comma; after the last one, past the bracket.
    at = skipSpace(list, skipSpace(list, end, list.length) + 1, list.length);
  }
  return { events, leftOut: views.left_out };
}

function fieldText(object: string, name: string): string {
  const scanner = createJsonScanner();
  scanner.object(object, 0, object.length);
  const field = scanner.fields
    .slice(0, scanner.fieldCount)
    .find(({ keyStart, keyEnd }) => object.slice(keyStart, keyEnd) === `"${name}"`);
  return field ? object.slice(field.start, field.end) : 'null';
}
