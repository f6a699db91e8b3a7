/**
 * Promise: values come back unchanged, whatever a double or an object of JavaScript would make of them: integers past
 * 2^53, decimals of any length, `__proto__` as an ordinary key, every character of Unicode; -0 is 0, and of a duplicate
 * key the last wins. It holds for the event itself, the list and the live stream, and two spellings of one value are
 * one event.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import type { EventResult } from '../../src/http/contract.ts';
import { createTempDir, expectEverythingAddsUp, type RunningServer, startServer, waitFor } from './harness.ts';

const payloads: Readonly<Record<string, string>> = {
  'integers past 2^53':
    '{"a":9007199254740993,"b":-9223372036854775808,"c":18446744073709551615,"d":123456789012345678901234567890}',
  'long decimals': '{"pi":3.14159265358979323846264338327950288,"cents":0.10000000000000000000000000000000000001}',
  'the largest and the smallest': '{"a":1e308,"b":-1e308,"c":9.99999999999999999999e307,"d":1e-400,"e":-5e-324}',
  spellings: '{"a":1.0,"b":10e-1,"c":1E+2,"d":0.00,"e":100000000000000000000000e-20}',
  'negative zero': '{"a":-0,"b":[-0.0,{"c":-0e5}]}',
  'names of JavaScript':
    '{"__proto__":{"polluted":true,"__proto__":[1]},"constructor":{"prototype":1},"toString":null,"hasOwnProperty":0,"":""}',
  'duplicate keys': '{"a":1,"b":{"c":1,"c":2},"a":{"last":true},"__proto__":1,"__proto__":2}',
  unicode:
    '{"ключ":"значение","名前":"値","مفتاح":"قيمة","e\u0301":"é","🙂":"👩‍👩‍👧‍👦 𝒳","\u2028":"\u2029\ufeff\uffff","a":"\u007f"}',
  escapes:
    '{"a":"\\u0001\\b\\f\\n\\r\\t\\u001f\\"\\\\\\/","b":"\\ud83d\\ude42","\\u0061\\u0062":"\\u00e9","c":"</script>"}',
  'odd spaces': ' {\r\n\t"a" : [ 1 ,\n2 , [ ] , { } ] ,"b":\t null , "c":true,"d":false } ',
  'sixty-four levels': `{"a":${'['.repeat(63)}"deep"${']'.repeat(63)}}`,
  'a long text': `{"a":"${'ü'.repeat(100_000)}"}`,
  nothing: '{}',
};

/** JSON text as a value whose numbers are exact decimals in one spelling. */
function exactly(text: string): unknown {
  type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
  const revive: Reviver = (_key, value, { source }) =>
    typeof value === 'number' ? { number: decimal(source!) } : value;
  return JSON.parse(text, revive as Parameters<typeof JSON.parse>[1]);
}

/** `-12.50e3` → `-125e2`; every zero → `0`. */
function decimal(source: string): string {
  const [, sign, integer, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(source)!;
  const digits = `${integer}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`;
}

interface ExactEvent {
  readonly id: string;
  readonly event_type: string;
  readonly source: string;
  readonly key: string;
  readonly client_id: string;
  readonly payload: unknown;
}

const fields = { event_type: 'тип ✓', source: '源 "quoted"', key: "clé 'x'\\" };

function eventText(name: string, payloadJson: string): string {
  return `${JSON.stringify({ ...fields, id: name }).slice(0, -1)},"payload":${payloadJson}}`;
}

async function send(server: RunningServer, body: string): Promise<{ status: number; result: EventResult }> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body };
  const answer = await server.request<EventResult>('/api/events?wait=stored', init);
  return { status: answer.status, result: answer.body };
}

/** Collects the events of the live stream by id, as the text that came. */
async function listen(server: RunningServer): Promise<ReadonlyMap<string, string>> {
  const seen = new Map<string, string>();
  const gone = new AbortController();
  onTestFinished(() => gone.abort());
  const response = await fetch(`${server.url}/api/live`, { signal: gone.signal });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  let isGreeted = false;
  const read = async () => {
    let pending = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const messages = `${pending}${chunk}`.split('\n\n');
      pending = messages.pop()!;
      for (const message of messages) {
        isGreeted = true;
        if (!message.startsWith('event: event\n')) continue;
        // White space between the tokens may be line breaks, which the stream's format spreads over several lines.
        const data = message
          .split('\n')
          .slice(1)
          .map((line) => line.replace(/^data: /, ''))
          .join('\n');
        const { events } = exactly(data) as { events: ExactEvent[] };
        for (const event of events) seen.set(event.id, data);
      }
    }
  };
  read().catch(() => undefined);
  await waitFor('the live stream to begin', () => isGreeted);
  return seen;
}

it('keeps every value, in every place where an event is read', async () => {
  const server = await startServer({ dataDir: createTempDir('exact') });
  const live = await listen(server);

  const ids = new Map<string, string>();
  for (const [name, payloadJson] of Object.entries(payloads)) {
    const { status, result } = await send(server, eventText(name, payloadJson));
    expect({ name, status, result }).toMatchObject({ status: 200, result: { status: 'stored' } });
    const { id } = result as { id: string };
    ids.set(name, id);
    // One by one: of many at once the live stream shows a sample.
    await waitFor(`${name} in the live stream`, () => live.has(id));
  }

  const list = await server.request('/api/events?limit=1000');
  for (const [name, id] of ids) {
    const one = await server.request(`/api/events/${id}`);
    const liveText = live.get(id)!;
    const found: [string, ExactEvent | undefined][] = [
      ['event', exactly(one.text) as ExactEvent],
      ['list', (exactly(list.text) as { events: ExactEvent[] }).events.find((event) => event.id === id)],
      ['live', (exactly(liveText) as { events: ExactEvent[] }).events.find((event) => event.id === id)],
    ];
    for (const [place, event] of found) {
      expect(event, `${name}: ${place}`).toMatchObject({ ...fields, id, client_id: name });
      const isSame = isDeepStrictEqual(event?.payload, exactly(payloads[name]!));
      expect(isSame, `${name}: ${place}: ${JSON.stringify(event?.payload).slice(0, 500)}`).toBe(true);
    }
    expect(`${one.text}${liveText}`).not.toMatch(/[:[,]-0(?:\.0*)?(?:[eE][+-]?\d+)?[,\]}]/);
  }

  // The same values in other words are the same events; a value that only a double would confuse is another.
  for (const name of ['spellings', 'negative zero']) {
    const again = { spellings: '{"e":1e3,"d":0,"c":100,"b":1,"a":1}', 'negative zero': '{"b":[0,{"c":0.0}],"a":0}' }[
      name
    ]!;
    expect(await send(server, eventText(name, again))).toMatchObject({ status: 200, result: { status: 'duplicate' } });
  }
  const near = payloads['integers past 2^53']!.replace('9007199254740993', '9007199254740992');
  const conflict = await send(server, eventText('integers past 2^53', near));
  expect(conflict).toMatchObject({ status: 200, result: { status: 'failed' } });

  const ledger = await expectEverythingAddsUp(server);
  expect(ledger).toMatchObject({ stored: ids.size, duplicate: 2, failed: 1 });
});
