import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { deriveEventId, isUuid } from '../domain/identity.ts';
import { limits } from '../domain/limits.ts';
import { partitionOf } from '../domain/partitioner.ts';
import { decodeRecord } from '../domain/record-codec.ts';
import { createTelemetry, type TelemetryEventName } from '../telemetry/telemetry.ts';
import { type ControlledLog, createControlledLog } from '../testing/controlled-log.ts';
import { createIngest, type IngestOptions, type IngestRequest } from './ingest.ts';
import type { ClosedCode, IngestAnswer } from './ingest-answer.ts';

const receivedAt = 1_700_000_000_123;

function setUp(options: Partial<IngestOptions> & { isOpen?: boolean; lanes?: number } = {}) {
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

const ndjson = { contentType: 'application/x-ndjson' };
const minimal = '{"event_type":"a","payload":{}}';
const withPayload = (payload: string) => `{"event_type":"a","payload":${payload}}`;

const eventsIn = (log: ControlledLog) =>
  log
    .appended()
    .flat()
    .map(({ value }) => {
      const result = decodeRecord(value, 0);
      if (!result.ok) throw new Error(result.rejection.message);
      return result.event;
    });

function accepted(answer: IngestAnswer) {
  if (answer.kind !== 'accepted') throw new Error(JSON.stringify(answer));
  return answer;
}
function many(answer: IngestAnswer) {
  if (answer.kind !== 'many') throw new Error(JSON.stringify(answer));
  return answer;
}
function refused(answer: IngestAnswer) {
  if (answer.kind !== 'refused') throw new Error(JSON.stringify(answer));
  return answer;
}
const problems = (answer: IngestAnswer) => refused(answer).problems.map(({ path, code }) => `${path} ${code}`);
const idsOf = (answer: IngestAnswer) =>
  many(answer).results.map((result) => (result.status === 'rejected' ? null : result.id));

describe('one event', () => {
  test('is in the log, with what was sent, when it is accepted', async () => {
    const { log, submit } = setUp();
    const payload =
      '{ "big":9007199254740993, "long":0.1234567890123456789012345678901234567890, "__proto__":{"a":1}, "t":"\\u00e4" }';
    const answer = accepted(
      await submit(
        `{"event_type":"order.created","payload":${payload},"id":"order-1","source":"shop","key":"k","occurred_at":"2026-01-31T12:00:00+01:00"}`,
      ),
    );
    expect(answer).toEqual({
      kind: 'accepted',
      id: deriveEventId('shop', 'order-1'),
      partition: partitionOf('k', 8),
      offset: 0,
    });
    expect(eventsIn(log)).toEqual([
      {
        id: answer.id,
        eventType: 'order.created',
        clientId: 'order-1',
        source: 'shop',
        key: 'k',
        occurredAt: '2026-01-31T12:00:00+01:00',
        receivedAt,
        redriveOf: null,
        payloadJson: payload,
      },
    ]);
  });

  test('without an id gets a UUIDv7, and goes to the partition of its id', async () => {
    const { log, submit } = setUp();
    const { id, partition } = accepted(await submit(minimal));
    expect(isUuid(id) && id[14]).toBe('7');
    expect(partition).toBe(partitionOf(id, 8));
    expect(eventsIn(log)[0]).toMatchObject({ id, clientId: null, key: null });
  });

  test('-0 is taken as 0', async () => {
    const { log, submit } = setUp();
    await submit(withPayload('{"a":-0.0}'));
    expect(eventsIn(log)[0]?.payloadJson).toBe('{"a":0.0}');
  });

  test('is not answered before the log has it', async () => {
    const { log, submit } = setUp({ isOpen: false });
    let isAnswered = false;
    const answer = submit(minimal).finally(() => {
      isAnswered = true;
    });
    await log.appendStarted();
    await new Promise(setImmediate);
    expect(isAnswered).toBe(false);
    log.succeed();
    expect((await answer).kind).toBe('accepted');
  });

  test('of a duplicate key the last one wins', async () => {
    const { log, submit } = setUp();
    await submit('{"event_type":5,"payload":[],"event_type":"b","p\\u0061yload":{"x":1}}');
    expect(eventsIn(log)[0]).toMatchObject({ eventType: 'b', payloadJson: '{"x":1}' });
  });

  test('of the largest size is taken, of one byte more is not', async () => {
    const { log, submit } = setUp();
    const sized = (bytes: number) => withPayload(`{"a":"${'ä'.repeat(10)}${'x'.repeat(bytes - 57)}"}`);
    expect(Buffer.byteLength(sized(limits.eventBytesMax))).toBe(limits.eventBytesMax);
    accepted(await submit(sized(limits.eventBytesMax)));
    expect(eventsIn(log)).toHaveLength(1);
    const refusal = refused(await submit(sized(limits.eventBytesMax + 1)));
    expect(refusal).toMatchObject({ code: 'body_too_large', detail: expect.stringContaining('262144') });
  });
});

describe('a body that can not be read', () => {
  test.each([
    ['empty_body', ''],
    ['empty_body', ' \n '],
    ['invalid_json', '{'],
    ['invalid_json', 'hello'],
    ['invalid_json', '{"event_type":"a","payload":{}'],
    ['invalid_json', `${minimal},${minimal}`],
    ['invalid_json', `[${minimal}`],
    ['invalid_json', `[${minimal},]`],
    ['invalid_json', `[${minimal} ${minimal}]`],
    ['invalid_json', `[${minimal}]]`],
    ['invalid_json', '['.repeat(100_000)],
    ['invalid_json', "{'event_type':'a'}"],
  ])('is refused as %s: %s', async (code, body) => {
    const { log, submit } = setUp();
    expect(refused(await submit(body))).toMatchObject({ code, results: null });
    expect(log.appended()).toEqual([]);
  });

  test.each([
    ['{"event_type":"a",\n "payload":}', 'line 2, column 12 (character 31)'],
    [`[${minimal}`, 'the text ends at line 1, column 33'],
    [`[${minimal};`, 'expected "," or "]", found ";" at line 1, column 33'],
    [`${minimal} x`, 'expected nothing more after the value, found "x" at line 1, column 33'],
  ])('tells where: %s', async (body, where) => {
    const { submit } = setUp();
    expect(refused(await submit(body)).detail.toLowerCase()).toContain(where.toLowerCase());
  });

  test('tells the byte where it is not UTF-8', async () => {
    const { submit } = setUp();
    const body = Buffer.from(withPayload('{"a":"?"}'));
    body[body.indexOf('?')] = 0xe4;
    expect(refused(await submit(body))).toMatchObject({
      code: 'invalid_encoding',
      detail: expect.stringContaining('byte 35'),
    });
  });

  test('but a byte order mark at its start is skipped', async () => {
    const { submit } = setUp();
    accepted(await submit(`\ufeff${minimal}`));
    expect(refused(await submit(`[\ufeff${minimal}]`)).code).toBe('invalid_json');
  });
});

describe('an event that is not valid', () => {
  test('is told everything that is wrong with it, at once', async () => {
    const { log, submit } = setUp();
    const answer = await submit(
      '{"event_type":"a\\nb","payload":{"n":1e400,"s":["\\ud800"]},"id":5,"source":"","key":null,"occurred_at":"2026-02-30T00:00:00Z","eventType":"x","zzz":1}',
    );
    expect(refused(answer).code).toBe('invalid_event');
    expect(problems(answer).sort()).toEqual([
      '/eventType unknown_field',
      '/event_type control_character',
      '/id wrong_type',
      '/key wrong_type',
      '/occurred_at invalid_time',
      '/payload/n number_out_of_range',
      '/payload/s/0 lone_surrogate',
      '/source too_short',
      '/zzz unknown_field',
    ]);
    expect(log.appended()).toEqual([]);
  });

  test.each([
    ['{}', ['/event_type missing_field', '/payload missing_field']],
    ['{"payload":{}}', ['/event_type missing_field']],
    [withPayload('[]'), ['/payload wrong_type']],
    [withPayload('null'), ['/payload wrong_type']],
    [withPayload('"x"'), ['/payload wrong_type']],
    ['{"event_type":1,"payload":{}}', ['/event_type wrong_type']],
    ['{"event_type":"","payload":{}}', ['/event_type too_short']],
    [`{"event_type":"${'x'.repeat(201)}","payload":{}}`, ['/event_type too_long']],
    ['{"event_type":"a\\u0085","payload":{}}', ['/event_type control_character']],
    ['{"event_type":"a\\u0000","payload":{}}', ['/event_type control_character', '/event_type nul_character']],
    [`{"id":"${'x'.repeat(257)}","event_type":"a","payload":{}}`, ['/id too_long']],
    [`{"key":"${'x'.repeat(257)}","event_type":"a","payload":{}}`, ['/key too_long']],
    ['{"occurred_at":"2026-01-31T12:00:00","event_type":"a","payload":{}}', ['/occurred_at invalid_time']],
    ['{"occurred_at":1700000000,"event_type":"a","payload":{}}', ['/occurred_at wrong_type']],
    ['{"__proto__":{},"event_type":"a","payload":{}}', ['/__proto__ unknown_field']],
    [withPayload('{"a":{"b":"x\\u0000"}}'), ['/payload/a/b nul_character']],
    [withPayload(`${'{"a":'.repeat(64)}{}${'}'.repeat(64)}`), [`/payload${'/a'.repeat(64)} nested_too_deep`]],
    ['"text"', [' wrong_type']],
    ['5', [' wrong_type']],
    ['[]', [' no_events']],
  ])('%s', async (body, expected) => {
    const { submit } = setUp();
    const answer = await submit(body);
    expect(refused(answer).code).toBe('invalid_event');
    expect(problems(answer).sort()).toEqual(expected);
  });

  test('has messages for people', async () => {
    const { submit } = setUp();
    const { problems: listed, detail } = refused(
      await submit('{"eventtype":"a","timestamp":1,"id":5,"payload":[],"what":1}'),
    );
    expect(Object.fromEntries(listed.map(({ path, message }) => [path, message]))).toEqual({
      '/event_type': 'event_type is missing',
      '/eventtype': 'unknown field "eventtype" (did you mean "event_type"?)',
      '/timestamp': 'unknown field "timestamp" (did you mean "occurred_at"?)',
      '/what': 'unknown field "what"; what belongs to the event itself goes into payload',
      '/id': 'id must be a string, got number',
      '/payload': 'payload must be a JSON object, got array',
    });
    expect(detail).toContain('and 5 more');
  });

  test('with more problems than an answer lists has the rest counted', async () => {
    const { submit } = setUp();
    const refusal = refused(await submit(`[${Array.from({ length: 150 }, () => '{}').join(',')}]`));
    expect(refusal.problems).toHaveLength(limits.problemsListedMax);
    expect(refusal.detail).toContain('200 more problems are not listed');
  });

  test('nested a hundred thousand levels deep is refused in a moment', async () => {
    const { submit } = setUp();
    const answer = await submit(withPayload(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), {});
    expect(refused(answer).code).toBe('body_too_large');
    const small = await submit(withPayload(`${'{"a":['.repeat(30_000)}1${']}'.repeat(30_000)}`), {});
    expect(problems(small)).toEqual([expect.stringMatching(/^\/payload(\/a\/0){32} nested_too_deep$/)]);
  });
});

describe('many events', () => {
  const three = [
    '{"event_type":"a","payload":{"n":1},"key":"k"}',
    '{"event_type":"","payload":{"n":2}}',
    '{"event_type":"b","payload":{"n":3},"key":"k"}',
  ];

  test.each([
    ['an array', `[${three.join(' , ')}]`, {}],
    ['lines', three.join('\n'), ndjson],
    [
      'lines with blank ones and \\r\\n',
      `\r\n${three.join('\r\n\r\n \r\n')}\r\n`,
      { contentType: 'application/jsonl' },
    ],
  ])('in %s: the good are accepted in order, the bad rejected one by one', async (_name, body, request) => {
    const { log, submit, announced } = setUp();
    const answer = many(await submit(body, request));
    expect(answer).toMatchObject({ accepted: 2, rejected: 1, retry: 0 });
    expect(answer.results.map(({ status }) => status)).toEqual(['accepted', 'rejected', 'accepted']);
    expect(answer.results[1]).toEqual({
      status: 'rejected',
      problem: { path: '/event_type', code: 'too_short', message: 'event_type must not be empty' },
    });
    expect(eventsIn(log).map(({ eventType }) => eventType)).toEqual(['a', 'b']);
    expect(announced).toContainEqual(['ingest.rejected', { code: 'too_short', events: 1 }]);
  });

  test('a line that is broken is rejected with its place, and its neighbours are taken', async () => {
    const { submit } = setUp();
    const answer = many(await submit(`${minimal}\n{"event_type"\n[1]\n${minimal} {}\n${minimal}`, ndjson));
    expect(
      answer.results.map((result) => (result.status === 'rejected' ? result.problem.message : result.status)),
    ).toEqual([
      'accepted',
      'expected ":" after a key, the text ends at line 2, column 14 (character 46)',
      'line 3: an event must be a JSON object, got array',
      'line 4: text goes on after the event; one event a line',
      'accepted',
    ]);
  });

  test('an item of an array that breaks a limit is rejected, one that breaks the grammar takes all with it', async () => {
    const { log, submit } = setUp();
    const deep = withPayload(`${'['.repeat(1_000)}${']'.repeat(1_000)}`);
    const large = withPayload(`{"a":"${'x'.repeat(limits.eventBytesMax)}"}`);
    const answer = many(await submit(`[${minimal},${withPayload('{"a":1e400}')},${deep},7,${large},${minimal}]`));
    expect(answer.results.map((result) => (result.status === 'rejected' ? result.problem.code : 'accepted'))).toEqual([
      'accepted',
      'number_out_of_range',
      'wrong_type',
      'wrong_type',
      'event_too_large',
      'accepted',
    ]);
    expect(refused(await submit(`[${minimal},{"event_type":01}]`)).code).toBe('invalid_json');
    expect(eventsIn(log)).toHaveLength(2);
  });

  test('of which none is valid are refused as a whole, each problem under its index', async () => {
    const { log, submit } = setUp();
    const answer = await submit(`[{"event_type":"a"},5,${withPayload('{"a":[1e400]}')}]`);
    expect(refused(answer).code).toBe('invalid_event');
    expect(problems(answer)).toEqual([
      '/0/payload missing_field',
      '/1 wrong_type',
      '/2/payload/a/0 number_out_of_range',
    ]);
    expect(log.appended()).toEqual([]);
  });

  test('may be ten thousand, not one more', async () => {
    const { log, submit } = setUp();
    const lines = (count: number) => Array.from({ length: count }, () => minimal);
    expect(many(await submit(lines(10_000).join('\n'), ndjson)).accepted).toBe(10_000);
    expect(refused(await submit(lines(10_001).join('\n'), ndjson)).code).toBe('too_many_events');
    expect(refused(await submit(`[${lines(10_001).join(',')}]`)).code).toBe('too_many_events');
    expect(eventsIn(log)).toHaveLength(10_000);
    expect(new Set(eventsIn(log).map(({ id }) => id)).size).toBe(10_000);
  });

  test('of one key stand in the log in the order sent', async () => {
    const { log, submit } = setUp({ lanes: 3 });
    const body = Array.from(
      { length: 500 },
      (_, n) => `{"event_type":"a","payload":{"n":${n}},"key":"k${n % 7}"}`,
    ).join('\n');
    await submit(body, ndjson);
    for (let key = 0; key < 7; key++) {
      const sent = eventsIn(log)
        .filter((event) => event.key === `k${key}`)
        .map(({ payloadJson }) => JSON.parse(payloadJson).n);
      expect(sent).toEqual(sent.toSorted((a: number, b: number) => a - b));
    }
    expect(eventsIn(log)).toHaveLength(500);
  });
});

describe('content types', () => {
  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
    'application/json; profile=x',
    'application/x-ndjson;charset=utf8',
    'application/jsonl',
  ])('%s is taken', async (contentType) => {
    const { submit } = setUp();
    expect(['accepted', 'many']).toContain((await submit(minimal, { contentType })).kind);
  });

  test.each([
    undefined,
    '',
    'text/plain',
    'application/jsonx',
    'application/json; charset=latin1',
    'application/x-www-form-urlencoded',
  ])('%s is refused with the names of those taken', async (contentType) => {
    const { submit } = setUp();
    const refusal = refused(await submit(minimal, { contentType }));
    expect(refusal.code).toBe('unsupported_media_type');
    if (!contentType?.includes('charset')) {
      for (const type of ['application/json', 'application/x-ndjson', 'application/jsonl'])
        expect(refusal.detail).toContain(type);
    }
  });
});

describe('content encodings', () => {
  test.each([
    ['gzip', gzipSync],
    ['X-Gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['deflate', deflateRawSync],
    ['zstd', zstdCompressSync],
    ['identity', (bytes: Buffer) => bytes],
  ])('%s is taken', async (contentEncoding, compress) => {
    const { log, submit } = setUp();
    accepted(await submit(compress(Buffer.from(withPayload('{"a":"ä"}'))), { contentEncoding }));
    expect(eventsIn(log)[0]?.payloadJson).toBe('{"a":"ä"}');
  });

  test.each(['gzip, br', 'compress', 'aes128gcm'])('%s is refused', async (contentEncoding) => {
    const { submit } = setUp();
    expect(refused(await submit(minimal, { contentEncoding })).code).toBe('unsupported_encoding');
  });

  test.each(['gzip', 'br', 'deflate', 'zstd'])('what is not %s is refused', async (contentEncoding) => {
    const { submit } = setUp();
    expect(refused(await submit(minimal, { contentEncoding })).code).toBe('invalid_encoding');
  });

  test.each([
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ])('%s that is cut off, or goes on after its end, is refused', async (contentEncoding, compress) => {
    const { log, submit } = setUp();
    const whole = compress(Buffer.from(withPayload(`{"a":"${'xyz'.repeat(100)}"}`)));
    expect(refused(await submit(whole.subarray(0, -3), { contentEncoding })).code).toBe('invalid_encoding');
    const trailed = Buffer.concat([whole, Buffer.from('trailing')]);
    expect(refused(await submit(trailed, { contentEncoding })).code).toBe('invalid_encoding');
    expect(log.appended()).toEqual([]);
  });

  test.each([
    ['gzip', gzipSync],
    ['br', (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ])('a bomb in %s stops at the limit', async (contentEncoding, compress) => {
    const { submit } = setUp();
    const bomb = compress(Buffer.alloc(100 * 1024 * 1024));
    const before = process.memoryUsage().arrayBuffers;
    const refusal = refused(await submit(bomb, { contentEncoding }));
    expect(refusal).toMatchObject({ code: 'body_too_large', detail: expect.stringContaining('8388608') });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('an Idempotency-Key', () => {
  const batch = [
    minimal,
    minimal,
    '{"event_type":"b","payload":{},"source":"shop"}',
    '{"event_type":"c","payload":{},"id":"mine"}',
  ];

  test('gives events without an id the same ones each time, and every one its own', async () => {
    const { submit } = setUp();
    const request = { ...ndjson, idempotencyKey: 'batch-7' };
    const first = idsOf(await submit(batch.join('\n'), request));
    expect(idsOf(await submit(batch.join('\n'), request))).toEqual(first);
    expect(new Set(first).size).toBe(4);
    expect(first.slice(0, 3).map((id) => id?.[14])).toEqual(['5', '5', '5']);
    expect(first[3]).toBe(deriveEventId(null, 'mine'));
    expect(idsOf(await submit(batch.join('\n'), { ...request, owner: 'someone' }))).not.toEqual(first);
    expect(idsOf(await submit(batch.join('\n'), { ...request, idempotencyKey: 'batch-8' }))).not.toEqual(first);
  });

  test.each([{ idempotencyKey: 'batch-7' }, {}])(
    'a part is safe to send again under the ids that were answered: %j',
    async (request) => {
      const { submit } = setUp();
      const ids = idsOf(await submit(`[${batch.join(',')}]`, request));
      const part = batch.slice(0, 3).map((text, index) => JSON.stringify({ ...JSON.parse(text), id: ids[index] }));
      expect(idsOf(await submit(`[${part.join(',')}]`))).toEqual(ids.slice(0, 3));
    },
  );

  test.each(['', 'x'.repeat(257)])('of a wrong length is refused', async (idempotencyKey) => {
    const { submit } = setUp();
    expect(refused(await submit(minimal, { idempotencyKey })).code).toBe('invalid_request');
  });
});

describe('when the log does not take it', () => {
  test('one event is told its id, to be sent again under', async () => {
    const { log, submit } = setUp({ isOpen: false });
    const answer = submit(minimal);
    const record = log.inFlight()[0]![0]!;
    log.fail(new UnavailableError('log_timeout', 'no broker answers'));
    const { id } = (decodeRecord(record.value, 0) as { event: { id: string } }).event;
    expect(refused(await answer)).toMatchObject({ code: 'log_unavailable', results: [{ status: 'retry', id }] });
  });

  test('in part, the answer says which', async () => {
    const { log, submit } = setUp({ isOpen: false, lanes: 2 });
    const answer = submit(
      `[${[0, 1, 2, 3, 4, 5].map((n) => `{"event_type":"a","payload":{},"key":"${n}"}`).join(',')},{}]`,
    );
    const failing = log.inFlight()[0]!.length;
    log.fail(new UnavailableError('log_timeout', 'no broker answers'));
    log.succeed();
    expect(many(await answer)).toMatchObject({ accepted: 6 - failing, rejected: 1, retry: failing });
    expect(many(await answer).results.filter(({ status }) => status === 'retry')).toHaveLength(failing);
  });

  test('in time, the answer is not_confirmed with the ids', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const { log, submit, ingest, announced } = setUp({ isOpen: false, limits: { ingestDeadlineMs: 300 } });
    const answer = submit(`[${minimal},{}]`);
    await vi.advanceTimersByTimeAsync(400);
    const refusal = refused(await answer);
    expect(refusal).toMatchObject({ code: 'not_confirmed', detail: expect.stringContaining('300 ms') });
    expect(refusal.results?.map(({ status }) => status)).toEqual(['retry', 'rejected']);
    expect(announced).toContainEqual(['ingest.refused', { code: 'not_confirmed', events: 2 }]);
    expect(ingest.queue().records).toBe(1);
    log.succeed();
  });
});

describe('nothing is taken', () => {
  test('over the bound of the queue, at once', async () => {
    const { log, submit, ingest } = setUp({ isOpen: false, limits: { ingestQueueBytesMax: 300 } });
    const first = submit(minimal);
    const second = submit(minimal);
    expect(refused(await submit(`[${minimal},${minimal}]`))).toMatchObject({ code: 'queue_full', results: null });
    expect(refused(await submit(withPayload(`{"a":"${'x'.repeat(100)}"}`))).code).toBe('queue_full');
    expect(ingest.queue().records).toBe(2);
    log.succeed();
    accepted(await first);
    log.succeed();
    accepted(await second);
    expect(log.appended().flat()).toHaveLength(2);
  });

  test.each(['disk_full', 'log_replaced', 'shutting_down'] as const)('while the gate says %s', async (code) => {
    const { log, submit } = setUp({ gate: () => code });
    expect(refused(await submit(minimal))).toMatchObject({ code, results: null });
    expect(log.appended()).toEqual([]);
  });

  test('when the gate closes while a body is decompressed', async () => {
    let closed: ClosedCode | null = null;
    const { log, submit } = setUp({ gate: () => closed });
    const answer = submit(gzipSync(minimal), { contentEncoding: 'gzip' });
    closed = 'disk_full';
    expect(refused(await answer).code).toBe('disk_full');
    expect(log.appended()).toEqual([]);
  });

  test('after drain, which waits for what is in flight', async () => {
    const { log, submit, ingest } = setUp({ isOpen: false });
    const answer = submit(minimal);
    let isDrained = false;
    const drained = ingest.drain().then(() => {
      isDrained = true;
    });
    expect(refused(await submit(minimal)).code).toBe('shutting_down');
    expect(isDrained).toBe(false);
    log.succeed();
    accepted(await answer);
    await drained;
  });
});

test('thirty bodies in gzip at once all come through', async () => {
  const { log, submit } = setUp();
  const bodies = Array.from({ length: 30 }, (_, n) => gzipSync(withPayload(`{"n":${n}}`)));
  await Promise.all(bodies.map((body) => submit(body, { contentEncoding: 'gzip' })));
  expect(eventsIn(log)).toHaveLength(30);
});
