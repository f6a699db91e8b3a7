/**
 * Promise: records that are no events never stop what is behind them and are never dropped. Put on the log below the
 * interface among 5,000 good ones, exactly they are in the inbox, each whole and with a reason a person can read; what
 * can be made an event of can be redriven, with its own payload or another, and the settled row says which event it
 * became.
 */
import { describe, expect, it } from 'vitest';
import { redriveEventId } from '../../src/domain/identity.ts';
import { encodeRecord } from '../../src/domain/record-codec.ts';
import type {
  EventDetail,
  FailedEventDetail,
  FailedEventPage,
  FailedEventSummary,
  MetricsView,
  RedriveReceipt,
} from '../../src/http/contract.ts';
import {
  appendToLog,
  createTempDir,
  expectEverythingAddsUp,
  type RunningServer,
  runEsp,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';

const goodCount = 5_000;
const receivedAt = Date.now();

interface Poison {
  readonly name: string;
  readonly value: Uint8Array;
  readonly code: string;
  readonly says: RegExp;
}

function record(fields: Record<string, unknown>, payloadJson = '{}'): Uint8Array {
  const head = JSON.stringify({
    event_type: 'order.placed',
    received_at: new Date(receivedAt).toISOString(),
    ...fields,
  });
  return Buffer.from(`${head.slice(0, -1)},"payload":${payloadJson}}`);
}

const id = (n: number) => `0190a3f0-0000-7000-8000-${String(n).padStart(12, '0')}`;
const bytes = (text: string) => Buffer.from(text);
const deep = 100_000;

const poisons: readonly Poison[] = [
  { name: 'an empty value', value: bytes(''), code: 'invalid_json', says: /./ },
  { name: 'not JSON', value: bytes('order placed!'), code: 'invalid_json', says: /line 1|character/ },
  { name: 'JSON cut short', value: bytes('{"id":"x","event_type":"y'), code: 'invalid_json', says: /./ },
  { name: 'two values', value: bytes('{} {}'), code: 'invalid_json', says: /goes on/ },
  { name: 'an array', value: bytes('[1,2]'), code: 'invalid_event', says: /JSON object/ },
  { name: 'a string', value: bytes('"order"'), code: 'invalid_event', says: /JSON object/ },
  { name: 'no fields', value: bytes('{}'), code: 'invalid_event', says: /event_type is missing/ },
  { name: 'no payload', value: bytes('{"event_type":"a"}'), code: 'invalid_event', says: /payload is missing/ },
  {
    name: 'a payload that is a list',
    value: record({ id: id(9_001) }, '[1]'),
    code: 'invalid_event',
    says: /payload must be/,
  },
  {
    name: 'an unknown field',
    value: record({ id: id(9_002), colour: 'red' }),
    code: 'invalid_event',
    says: /"colour"/,
  },
  {
    name: 'a type that is a number',
    value: record({ id: id(9_003), event_type: 7 }),
    code: 'invalid_event',
    says: /event_type must be a string/,
  },
  {
    name: 'a time that is none',
    value: record({ id: id(9_004), occurred_at: 'soon' }),
    code: 'invalid_event',
    says: /occurred_at/,
  },
  { name: 'no id', value: record({}, '{"keep":"me"}'), code: 'missing_id', says: /id is missing/ },
  {
    name: 'the character U+0000',
    value: record({ id: id(9_005) }, '{"a":{"b":"\\u0000"}}'),
    code: 'unsupported_value',
    says: /\/payload\/a\/b/,
  },
  {
    name: 'half a surrogate pair',
    value: record({ id: id(9_006) }, '{"a":["\\ud800"]}'),
    code: 'unsupported_value',
    says: /\/payload\/a\/0/,
  },
  {
    name: 'a number past 1e308',
    value: record({ id: id(9_007) }, '{"n":1e400}'),
    code: 'unsupported_value',
    says: /\/payload\/n/,
  },
  {
    name: 'deep nesting',
    value: record({ id: id(9_008) }, `{"a":${'['.repeat(deep)}${']'.repeat(deep)}}`),
    code: 'nested_too_deep',
    says: /64|deep/,
  },
  {
    name: 'bytes that are not UTF-8',
    value: Buffer.concat([bytes('{"event_type":"'), Buffer.from([0xff, 0xfe]), bytes('"}')]),
    code: 'invalid_utf8',
    says: /byte 15/,
  },
  {
    name: '2 MB',
    value: record({ id: id(9_009) }, `{"a":"${'x'.repeat(2_000_000)}"}`),
    code: 'event_too_large',
    says: /bytes/,
  },
];

function goodRecord(n: number): Uint8Array {
  const none = { clientId: null, source: null, key: null, occurredAt: null, redriveOf: null };
  return encodeRecord({ ...none, id: id(n), eventType: 'order.placed', receivedAt, payloadJson: `{"n":${n}}` });
}

/** The poison lies in the middle: before and behind each there are good records of its partition. */
function mixedRecords() {
  const all: { key: string; value: Uint8Array }[] = [];
  const every = Math.floor(goodCount / poisons.length);
  for (let n = 0; n < goodCount; n += 1) {
    all.push({ key: id(n), value: goodRecord(n) });
    const poison = n % every === Math.floor(every / 2) ? poisons[Math.floor(n / every)] : undefined;
    if (poison) all.push({ key: poison.name, value: poison.value });
  }
  return all;
}

async function inboxOf(server: RunningServer): Promise<readonly FailedEventSummary[]> {
  const page: FailedEventPage = await server.get('/api/failed-events?limit=1000');
  return page.failed_events;
}

const detailOf = (server: RunningServer, inboxId: string) =>
  server.get<FailedEventDetail>(`/api/failed-events/${encodeURIComponent(inboxId)}`);

function redrive(server: RunningServer, inboxId: string, payload?: object) {
  return server.request<RedriveReceipt>(`/api/failed-events/${encodeURIComponent(inboxId)}/redrive`, {
    method: 'POST',
    ...(payload && { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ payload }) }),
  });
}

describe('poison on the log', () => {
  it('is in the inbox whole, and nothing else is', async () => {
    const { server } = await startOnPoison();
    const ledger = await expectEverythingAddsUp(server);
    expect(ledger).toMatchObject({
      stored: goodCount,
      duplicate: 0,
      failed: poisons.length,
      open_in_inbox: poisons.length,
    });
    expect(ledger.partitions.filter(({ halted }) => halted !== null)).toEqual([]);
    const stored = await storedEvents(server);
    expect(new Set(stored.map((event) => event.id)).size).toBe(goodCount);
    await waitFor('the metrics to tell the same', async () => {
      const { all_time } = await server.get<MetricsView>('/api/metrics?window=1h');
      return all_time.total === goodCount && all_time.failed === poisons.length;
    });

    const details = await Promise.all((await inboxOf(server)).map(({ id }) => detailOf(server, id)));
    const found = new Map(details.map((detail) => [recordValue(detail).toString('base64'), detail]));
    expect(found.size).toBe(poisons.length);
    for (const { name, value, code, says } of poisons) {
      const detail = found.get(Buffer.from(value).toString('base64'));
      expect(detail, name).toMatchObject({ state: 'open', attempt: 1, value_bytes: value.length, reason: { code } });
      expect(detail!.reason.message, name).toMatch(says);
    }
    // A person at the command line sees the same.
    const listed = await runEsp(['failed', 'list', '--json'], { env: { ESP_URL: server.url } });
    expect(listed.code).toBe(0);
    expect(listed.stdout).toContain('nested_too_deep');
  });

  it('can be redriven where an event can be made of it', async () => {
    const { server } = await startOnPoison();
    const inbox = await inboxOf(server);
    const one = (code: string, eventId: string | null = null) => {
      const entry = inbox.find(
        ({ reason, event_id }) => reason.code === code && (eventId === null || event_id === eventId),
      );
      expect(entry, code).toBeDefined();
      return entry!;
    };

    // Without an id: it gets one that is derived from its place, so that redriving twice could not store it twice.
    const withoutId = one('missing_id');
    await expectRedriven(server, withoutId, redriveEventId(withoutId.id), { keep: 'me' });

    // A value the store can't hold: as it is it can't be redriven, with another payload it can, under its own id.
    const odd = one('unsupported_value', id(9_005));
    expect((await redrive(server, odd.id)).status).toBe(409);
    await expectRedriven(server, odd, id(9_005), { a: { b: 'mended' } });

    // No event at all: nothing can be made of it, whatever the payload.
    expect((await redrive(server, one('invalid_json').id, { a: 1 })).status).toBe(409);
    // Settled: not again.
    expect((await redrive(server, odd.id, { a: 2 })).status).toBe(409);

    expect(await expectEverythingAddsUp(server)).toMatchObject({
      stored: goodCount + 2,
      failed: poisons.length,
      open_in_inbox: poisons.length - 2,
    });
  });

  async function expectRedriven(
    server: RunningServer,
    entry: FailedEventSummary,
    eventId: string,
    payload: object,
  ): Promise<void> {
    const isEdited = entry.reason.code !== 'missing_id';
    const started = await redrive(server, entry.id, isEdited ? payload : undefined);
    expect(started).toMatchObject({ status: 202, body: { matched: 1, skipped: 0 } });
    // A worker may be quicker to settle the row than the job to put its name on it.
    await waitFor('the job to be done', async () => {
      const { state } = await server.get<{ state: string }>(`/api/jobs/${started.body.job_id}`);
      return state === 'done';
    });
    const settled = await waitFor('the row to be settled', async () => {
      const detail = await detailOf(server, entry.id);
      return detail.state === 'resolved' && detail;
    });
    expect(settled).toMatchObject({
      resolution: { kind: 'stored', event_id: eventId },
      job_id: started.body.job_id,
      settled_at: expect.any(String),
    });
    const event: EventDetail = await server.get(`/api/events/${eventId}`);
    expect(event).toMatchObject({ status: 'stored', event_type: 'order.placed', payload });
  }

  async function startOnPoison() {
    const dataDir = createTempDir('poison');
    await appendToLog(dataDir, mixedRecords());
    const server = await startServer({ dataDir });
    await server.settled();
    return { server };
  }
});

function recordValue({ value, value_base64 }: FailedEventDetail): Buffer {
  return value === null ? Buffer.from(value_base64!, 'base64') : Buffer.from(value);
}
