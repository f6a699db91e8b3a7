import { expect, it } from 'vitest';
import { readServerSentEvents, type ServerSentEvent } from './server-sent-events.ts';

async function read(chunks: readonly Uint8Array[]): Promise<ServerSentEvent[]> {
  async function* body() {
    yield* chunks;
  }
  const events: ServerSentEvent[] = [];
  for await (const event of readServerSentEvents(body())) events.push(event);
  return events;
}

const text =
  ': hello\n\nevent: event\ndata: {"a":\ndata: "ä"}\n\nretry: 100\ndata:plain\r\n\r\nevent: empty\n\ndata: cut off';
const expected = [
  { event: 'event', data: '{"a":\n"ä"}' },
  { event: 'message', data: 'plain' },
];

it('reads events whole, wherever the chunks are cut', async () => {
  const bytes = Buffer.from(text);
  expect(await read([bytes])).toEqual(expected);
  for (let cut = 1; cut < bytes.length; cut++) {
    expect(await read([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(expected);
  }
});
