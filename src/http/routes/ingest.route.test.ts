import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import type { LogAppender } from '../../event-log/event-log.ts';
import type { SettledOutcome } from '../../event-store/event-store.ts';
import { createIngest, type IngestOptions } from '../../ingest/ingest.ts';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { collectGarbage } from '../../testing/collect-garbage.ts';
import { violations } from '../../testing/conforms.ts';
import { createControlledLog } from '../../testing/controlled-log.ts';
import { createHttpDependencies, makeInboxEntry } from '../../testing/http-dependencies.ts';
import { createHttpApp } from '../app.ts';
import { EventResult, ManyReceipt, ProblemDocument } from '../contract.ts';
import type { Operations } from '../dependencies.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

type Wait = Operations['waitForOutcomes'];
const never: Wait = () => Promise.reject(new Error('nobody asked to wait'));

function setUp({
  isOpen = true,
  wait = never,
  ...ingestOptions
}: { isOpen?: boolean; wait?: Wait } & Partial<IngestOptions> = {}) {
  const log = createControlledLog({ partitions: 8, lanes: 2, isOpen });
  const ingest = createIngest({ log, telemetry: createTelemetry(), ...ingestOptions });
  const made = createHttpDependencies({ ingest });
  const app = createHttpApp({
    ...made.dependencies,
    operations: { ...made.dependencies.operations, waitForOutcomes: wait },
  });
  open.push(app);
  const post = (payload: string | Buffer, headers: Record<string, string> = {}, url = '/api/events') =>
    app.inject({ method: 'POST', url, payload, headers: { 'content-type': 'application/json', ...headers } });
  return { app, log, post, ...made };
}

const one = '{"event_type":"a","payload":{"n":1}}';
const ndjson = { 'content-type': 'application/x-ndjson' };

describe('a receipt', () => {
  test('of one event is 202 with its address', async () => {
    const { post, log } = setUp();
    const answer = await post(one);
    expect(answer.statusCode).toBe(202);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(violations(EventResult, answer.json())).toEqual([]);
    expect(answer.json()).toEqual({ id: expect.any(String), status: 'accepted' });
    expect(answer.headers.location).toBe(`/api/events/${answer.json().id}`);
    expect(log.appended().flat()).toHaveLength(1);
  });

  test.each([
    ['an array', `[${one},{},${one}]`, {}],
    ['lines', `${one}\n{}\n${one}`, ndjson],
  ])('of %s is 202 with a result for each', async (_name, body, headers) => {
    const { post } = setUp();
    const answer = await post(body, headers);
    expect(answer.statusCode).toBe(202);
    expect(answer.headers.location).toBeUndefined();
    expect(violations(ManyReceipt, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({
      accepted: 2,
      rejected: 1,
      retry: 0,
      results: [
        { status: 'accepted' },
        {
          status: 'rejected',
          error: { code: 'missing_field', path: '/event_type', message: expect.stringContaining('1 more') },
        },
        { status: 'accepted' },
      ],
    });
  });

  test('has messages that are well-formed JSON whatever was sent', async () => {
    const { post } = setUp();
    const answer = await post(`[${one},{"a\\"\\u0000\\ud800 😀":1}]`);
    expect(violations(ManyReceipt, answer.json())).toEqual([]);
  });
});

describe('a refusal', () => {
  test.each([
    [400, 'empty_body', '', {}],
    [400, 'empty_body', '', { 'content-type': 'text/plain' }],
    [400, 'invalid_json', '{"event_type":"a",}', {}],
    [400, 'invalid_encoding', Buffer.from([0x7b, 0xff, 0x7d]), {}],
    [400, 'invalid_encoding', one, { 'content-encoding': 'gzip' }],
    [400, 'invalid_request', one, { 'idempotency-key': 'x'.repeat(257) }],
    [413, 'body_too_large', Buffer.alloc(limits.requestBytesMax + 1, 0x20), {}],
    [413, 'body_too_large', gzipSync(Buffer.alloc(limits.requestBytesMax + 1, 0x20)), { 'content-encoding': 'gzip' }],
    [413, 'body_too_large', `{"event_type":"a","payload":{"a":"${'x'.repeat(limits.eventBytesMax)}"}}`, {}],
    [413, 'too_many_events', `[${Array.from({ length: 10_001 }, () => one).join(',')}]`, {}],
    [415, 'unsupported_media_type', one, { 'content-type': 'text/plain' }],
    [415, 'unsupported_media_type', one, { 'content-type': 'nonsense' }],
    [415, 'unsupported_encoding', one, { 'content-encoding': 'gzip, br' }],
    [422, 'invalid_event', '{}', {}],
    [422, 'invalid_event', '[{},{}]', {}],
    [422, 'invalid_event', '[]', {}],
  ])('%i %s', async (status, code, body, headers) => {
    const { post, log } = setUp();
    const answer = await post(body, headers as Record<string, string>);
    expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(violations(ProblemDocument, answer.json())).toEqual([]);
    expect(log.appended()).toEqual([]);
  });

  test('without a content type names those taken, even though a body was sent', async () => {
    const { app } = setUp();
    const answer = await app.inject({ method: 'POST', url: '/api/events', payload: Buffer.from(one) });
    expect(answer.statusCode).toBe(415);
    expect(answer.json().detail).toContain('application/x-ndjson');
  });

  test('lists everything that is wrong', async () => {
    const { post } = setUp();
    const answer = await post('{"event_type":5,"payload":{"a":[1e400,"\\u0000"]},"nope":1}');
    expect(answer.json().errors.map(({ path, code }: { path: string; code: string }) => [path, code])).toEqual([
      ['/event_type', 'wrong_type'],
      ['/nope', 'unknown_field'],
      ['/payload/a/0', 'number_out_of_range'],
      ['/payload/a/1', 'nul_character'],
    ]);
  });

  test.each(['disk_full', 'log_replaced', 'shutting_down'] as const)('503 %s', async (code) => {
    const { post } = setUp({ gate: () => code });
    const answer = await post(one);
    expect([answer.statusCode, answer.json().code, answer.headers['retry-after']]).toEqual([503, code, '1']);
  });

  test('503 queue_full at once', async () => {
    const { post } = setUp({ limits: { ingestQueueBytesMax: 10 } });
    const answer = await post(one);
    expect([answer.statusCode, answer.json().code, answer.headers['retry-after']]).toEqual([503, 'queue_full', '1']);
    expect(answer.json().results).toBeUndefined();
  });

  test('503 with the ids to send again under, when the log did not take it', async () => {
    const { post, log } = setUp({ isOpen: false });
    const answer = post(`[${one},{}]`);
    await log.appendStarted();
    log.fail(new UnavailableError('log_timeout', 'no broker answers'));
    expect((await answer).statusCode).toBe(503);
    expect((await answer).headers['retry-after']).toBe('1');
    expect((await answer).json()).toMatchObject({
      code: 'log_unavailable',
      retriable: true,
      results: [
        { id: expect.any(String), status: 'retry' },
        { status: 'rejected', error: { code: 'missing_field' } },
      ],
    });
  });

  test('400 for a question that the address does not know', async () => {
    const { post } = setUp();
    for (const query of ['wait=forever', 'wiat=stored']) {
      expect((await post(one, {}, `/api/events?${query}`)).json().code, query).toBe('invalid_request');
    }
  });
});

describe('waiting until stored', () => {
  const settled =
    (...outcomes: (SettledOutcome | null)[]): Wait =>
    async (appended) =>
      appended.map((_, index) => outcomes[index] ?? null);
  const failed: SettledOutcome = { kind: 'failed', inboxId: makeInboxEntry().id };

  test.each([
    [{ kind: 'stored' }, { status: 'stored' }],
    [{ kind: 'duplicate' }, { status: 'duplicate' }],
    [failed, { status: 'failed', failed_event: 'store:1:3:9' }],
  ] as [SettledOutcome, object][])('answers 200 with %j', async (outcome, expected) => {
    const { post } = setUp({ wait: settled(outcome) });
    const answer = await post(one, {}, '/api/events?wait=stored');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({ id: expect.any(String), ...expected });
    expect(violations(EventResult, answer.json())).toEqual([]);
  });

  test('asks by the positions that the log gave, for as long as the client wants', async () => {
    const asked: unknown[] = [];
    const { post } = setUp({
      wait: async (appended, timeoutMs) => {
        asked.push([appended.length, timeoutMs]);
        return appended.map(({ offset }) => (offset === 0 ? { kind: 'stored' } : { kind: 'duplicate' }));
      },
    });
    const body = `[${[1, 2, 3].map((n) => `{"event_type":"a","payload":{"n":${n}},"key":"k"}`).join(',')},{}]`;
    const answer = await post(body, { prefer: 'respond-async, wait=12' });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['preference-applied']).toBe('wait=12');
    expect(asked).toEqual([[3, 12_000]]);
    expect(answer.json().results.map(({ status }: { status: string }) => status)).toEqual([
      'stored',
      'duplicate',
      'duplicate',
      'rejected',
    ]);
    expect(violations(ManyReceipt, answer.json())).toEqual([]);
  });

  test.each([
    ['one that is not settled in time', settled(null)],
    ['a store that is away', () => Promise.reject(new UnavailableError('store_busy', 'away'))],
    [
      'a wait that throws',
      () => {
        throw new Error('a bug');
      },
    ],
  ] as [string, Wait][])('%s falls back to the 202', async (_name, wait) => {
    const { post } = setUp({ wait });
    const answer = await post(one, {}, '/api/events?wait=stored');
    expect(answer.statusCode).toBe(202);
    expect(answer.json().status).toBe('accepted');
    expect(answer.headers.location).toBeTruthy();
  });

  test('ends with the 202 when the server stops', async () => {
    const asked = Promise.withResolvers<void>();
    const { app, post } = setUp({
      wait: async (appended, _timeoutMs, signal) => {
        asked.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return appended.map(() => null);
      },
    });
    const answered = post(one, {}, '/api/events?wait=stored');
    await asked.promise;
    await app.close();
    expect((await answered).statusCode).toBe(202);
  });

  test('of many, one that is not settled makes all of it a 202', async () => {
    const { post } = setUp({ wait: settled({ kind: 'stored' }, null) });
    const answer = await post(`[${one},${one}]`, {}, '/api/events?wait=stored');
    expect(answer.statusCode).toBe(202);
    expect(answer.json().results.map(({ status }: { status: string }) => status)).toEqual(['accepted', 'accepted']);
  });

  test('keeps none of the records meanwhile', async () => {
    const values: WeakRef<Uint8Array>[] = [];
    const log: LogAppender = {
      partitions: 8,
      lanes: 1,
      laneOf: () => 0,
      append: async (records) => {
        values.push(...records.map(({ value }) => new WeakRef(value)));
        return records.map(({ partition }, offset) => ({ partition, offset }));
      },
      trim: () => Promise.reject(new Error('nobody trims')),
    };
    const waiting = Promise.withResolvers<void>();
    const stored = Promise.withResolvers<void>();
    const wait: Wait = async (appended) => {
      waiting.resolve();
      await stored.promise;
      return appended.map(() => ({ kind: 'stored' }));
    };
    const { post } = setUp({ log, wait });
    const answered = post(`${one}\n`.repeat(100), ndjson, '/api/events?wait=stored');
    await waiting.promise;
    expect(values).toHaveLength(100);
    const kept = () => {
      collectGarbage();
      return values.filter((value) => value.deref() !== undefined).length;
    };
    await expect.poll(kept).toBe(0);
    stored.resolve();
    expect((await answered).statusCode).toBe(200);
  });
});

describe('over a socket', () => {
  async function listen() {
    const made = setUp();
    await made.app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = made.app.server.address() as AddressInfo;
    return { ...made, port, url: `http://127.0.0.1:${port}/api/events` };
  }

  test('a client that sends too much reads the answer, not a broken pipe', async () => {
    const { url } = await listen();
    for (let round = 0; round < 5; round++) {
      const body = Buffer.alloc(limits.requestBytesMax + 1_000_000, 0x20);
      const answer = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
      expect(answer.status).toBe(413);
      expect(((await answer.json()) as { detail: string }).detail).toContain(String(limits.requestBytesMax));
    }
  });

  test('a body in chunks that cut its characters is put together', async () => {
    const { port, log } = await listen();
    const body = Buffer.from('{"event_type":"a","payload":{"t":"ä😀"}}');
    const status = await new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
      const request = httpRequest(
        { port, host: '127.0.0.1', path: '/api/events', method: 'POST', headers },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        },
      );
      request.on('error', reject);
      for (const byte of body) request.write(Buffer.from([byte]));
      request.end();
    });
    expect(status).toBe(202);
    expect(Buffer.from(log.appended()[0]![0]!.value).toString()).toContain('{"t":"ä😀"}');
  });
});
