import { expect, it } from 'vitest';
import { readLiveEvents } from './live-events.ts';

it('keeps the text of each event and of its payload, digit for digit', () => {
  const first = '{"id":"a","event_type":"x","payload":{"n":12345678901234567890.50,"s":"],}"}}';
  const second = '{"payload": {} , "id":"b","event_type":"y"}';
  const { events, leftOut } = readLiveEvents(`{"events": [ ${first} ,${second}],"left_out":7}`);
  expect(leftOut).toBe(7);
  expect(events.map(({ text, payloadText }) => [text, payloadText])).toEqual([
    [first, '{"n":12345678901234567890.50,"s":"],}"}'],
    [second, '{}'],
  ]);
  expect(events.map(({ view }) => view.id)).toEqual(['a', 'b']);
});

it('reads a message without events', () => {
  expect(readLiveEvents('{"events":[],"left_out":0}')).toEqual({ events: [], leftOut: 0 });
});
