import { describe, expect, test } from 'vitest';
import { deriveEventId, isUuid } from '../domain/identity.ts';
import { limits } from '../domain/limits.ts';
import { partitionOf } from '../domain/partitioner.ts';
import {
  accepted,
  createIngestHarness,
  eventsIn,
  many,
  minimal,
  ndjson,
  problemsOf,
  receivedAt,
  refused,
  withPayload,
} from '../testing/ingest-harness.ts';

describe('one event', () => {
  test('is in the log, with what was sent, when it is accepted', async () => {
    const { log, submit } = createIngestHarness();
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

  test('without an id gets a UUIDv7, and goes where the event before it went', async () => {
    const { log, submit } = createIngestHarness();
    const { id, partition } = accepted(await submit(minimal));
    expect(isUuid(id) && id[14]).toBe('7');
    for (let n = 0; n < 10; n += 1) expect(accepted(await submit(minimal)).partition).toBe(partition);
    const withSource = accepted(await submit('{"source":"shop","event_type":"a","payload":{}}'));
    expect(withSource.partition).toBe(partition);
    expect(eventsIn(log)[0]).toMatchObject({ id, clientId: null, key: null });
  });

  test('with an id goes to the partition of that id, whoever made it, so that repeats meet', async () => {
    const { submit } = createIngestHarness();
    const own = '{"id":"5f1f4c7e-3c1e-4f0a-9c55-2d1f0b7c9a10","event_type":"a","payload":{}}';
    const { id, partition } = accepted(await submit(own));
    expect(partition).toBe(partitionOf(id, 8));
    const made = accepted(await submit(minimal, { idempotencyKey: 'k' }));
    expect(made.partition).toBe(partitionOf(made.id, 8));
  });

  test('-0 is taken as 0', async () => {
    const { log, submit } = createIngestHarness();
    await submit(withPayload('{"a":-0.0}'));
    expect(eventsIn(log)[0]?.payloadJson).toBe('{"a":0.0}');
  });

  test('is not answered before the log has it', async () => {
    const { log, submit } = createIngestHarness({ isOpen: false });
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
    const { log, submit } = createIngestHarness();
    await submit('{"event_type":5,"payload":[],"event_type":"b","p\\u0061yload":{"x":1}}');
    expect(eventsIn(log)[0]).toMatchObject({ eventType: 'b', payloadJson: '{"x":1}' });
  });

  test('of the largest size is taken, of one byte more is not', async () => {
    const { log, submit } = createIngestHarness();
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
    const { log, submit } = createIngestHarness();
    expect(refused(await submit(body))).toMatchObject({ code, results: null });
    expect(log.appended()).toEqual([]);
  });

  test.each([
    ['{"event_type":"a"}', /^payload is missing/],
    ['{"event_type":"a","payload":{},"id":1}', /^id must be a string/],
    ['{"payload":{}}', /^event_type is missing/],
    ['5', /^The body must be an event/],
  ])('is told with fields as they are spelt: %s', async (body, start) => {
    const { submit } = createIngestHarness();
    expect(refused(await submit(body)).detail).toMatch(start);
  });

  test.each([
    ['{"event_type":"a",\n "payload":}', 'line 2, column 12 (byte 30)'],
    [`[${minimal}`, 'the text ends at line 1, column 33'],
    [`[${minimal};`, 'expected "," or "]", found ";" at line 1, column 33'],
    [`${minimal} x`, 'expected nothing more after the value, found "x" at line 1, column 33'],
  ])('tells where: %s', async (body, where) => {
    const { submit } = createIngestHarness();
    expect(refused(await submit(body)).detail.toLowerCase()).toContain(where.toLowerCase());
  });

  test('tells the byte where it is not UTF-8', async () => {
    const { submit } = createIngestHarness();
    const body = Buffer.from(withPayload('{"a":"?"}'));
    body[body.indexOf('?')] = 0xe4;
    expect(refused(await submit(body))).toMatchObject({
      code: 'invalid_encoding',
      detail: expect.stringContaining('byte 35'),
    });
  });

  test('but a byte order mark at its start is skipped', async () => {
    const { submit } = createIngestHarness();
    accepted(await submit(`\ufeff${minimal}`));
    expect(refused(await submit(`[\ufeff${minimal}]`)).code).toBe('invalid_json');
  });
});

describe('an event that is not valid', () => {
  test('is told everything that is wrong with it, at once', async () => {
    const { log, submit } = createIngestHarness();
    const answer = await submit(
      '{"event_type":"a\\nb","payload":{"n":1e400,"s":["\\ud800"]},"id":5,"source":"","key":null,"occurred_at":"2026-02-30T00:00:00Z","eventType":"x","zzz":1}',
    );
    expect(refused(answer).code).toBe('invalid_event');
    expect(problemsOf(answer).sort()).toEqual([
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
    [
      `{"occurred_at":"2026-01-31T12:00:00.${'1'.repeat(44)}Z","event_type":"a","payload":{}}`,
      ['/occurred_at too_long'],
    ],
    ['{"occurred_at":1700000000,"event_type":"a","payload":{}}', ['/occurred_at wrong_type']],
    ['{"__proto__":{},"event_type":"a","payload":{}}', ['/__proto__ unknown_field']],
    [withPayload('{"a":{"b":"x\\u0000"}}'), ['/payload/a/b nul_character']],
    [withPayload(`${'{"a":'.repeat(64)}{}${'}'.repeat(64)}`), [`/payload${'/a'.repeat(64)} nested_too_deep`]],
    ['"text"', [' wrong_type']],
    ['5', [' wrong_type']],
    ['[]', [' no_events']],
  ])('%s', async (body, expected) => {
    const { submit } = createIngestHarness();
    const answer = await submit(body);
    expect(refused(answer).code).toBe('invalid_event');
    expect(problemsOf(answer).sort()).toEqual(expected);
  });

  test('has messages for people', async () => {
    const { submit } = createIngestHarness();
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
    const { submit } = createIngestHarness();
    const refusal = refused(await submit(`[${Array.from({ length: 150 }, () => '{}').join(',')}]`));
    expect(refusal.problems).toHaveLength(limits.problemsListedMax);
    expect(refusal.detail).toContain('and 299 more problems; errors lists the first 100');
  });

  test('nested a hundred thousand levels deep is refused in a moment', async () => {
    const { submit } = createIngestHarness();
    const answer = await submit(withPayload(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`), {});
    expect(refused(answer).code).toBe('body_too_large');
    const small = await submit(withPayload(`${'{"a":['.repeat(30_000)}1${']}'.repeat(30_000)}`), {});
    expect(problemsOf(small)).toEqual([expect.stringMatching(/^\/payload(\/a\/0){32} nested_too_deep$/)]);
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
    const { log, submit, announced } = createIngestHarness();
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
    const { submit } = createIngestHarness();
    const answer = many(await submit(`${minimal}\n{"event_type"\n[1]\n${minimal} {}\n${minimal}`, ndjson));
    expect(
      answer.results.map((result) => (result.status === 'rejected' ? result.problem.message : result.status)),
    ).toEqual([
      'accepted',
      'expected ":" after a key, the text ends at line 2, column 14 (byte 45)',
      'line 3: an event must be a JSON object, got array',
      'line 4: text goes on after the event; one event a line',
      'accepted',
    ]);
  });

  test('an item of an array that breaks a limit is rejected, one that breaks the grammar takes all with it', async () => {
    const { log, submit } = createIngestHarness();
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

  test('of which very many are bad have a problem in each result', async () => {
    const { submit } = createIngestHarness();
    const bad = '{"event_type":"","payload":{"a":[1e400,1e400]},"x":1}';
    const { results } = many(await submit(`[${minimal},${Array.from({ length: 500 }, () => bad).join(',')}]`));
    const messages = results.slice(1).map((result) => (result.status === 'rejected' ? result.problem.message : ''));
    expect(new Set(messages)).toEqual(new Set(['event_type must not be empty (and 3 more problems)']));
  });

  test('of which very many are broken cost no more the further down they stand', async () => {
    const { submit } = createIngestHarness();
    const blank = 400_000;
    const startedAt = performance.now();
    const { results } = many(await submit(`${'\n'.repeat(blank)}${'x\n'.repeat(5_000)}${minimal}`, ndjson));
    // Some milliseconds; counting lines from the top for each of them took half a minute.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const last = results[4_999]!;
    expect(last.status === 'rejected' ? last.problem.message : last.status).toBe(
      `expected a JSON value, found "x" at line ${blank + 5_000}, column 1 (byte ${blank + 9_998})`,
    );
  });

  test('of which none is valid are refused as a whole, each problem under its index', async () => {
    const { log, submit } = createIngestHarness();
    const answer = await submit(`[{"event_type":"a"},5,${withPayload('{"a":[1e400]}')}]`);
    expect(refused(answer).code).toBe('invalid_event');
    expect(problemsOf(answer)).toEqual([
      '/0/payload missing_field',
      '/1 wrong_type',
      '/2/payload/a/0 number_out_of_range',
    ]);
    expect(log.appended()).toEqual([]);
  });

  test('may be ten thousand, not one more', async () => {
    const { log, submit } = createIngestHarness();
    const lines = (count: number) => Array.from({ length: count }, () => minimal);
    expect(many(await submit(lines(10_000).join('\n'), ndjson)).accepted).toBe(10_000);
    expect(refused(await submit(lines(10_001).join('\n'), ndjson)).code).toBe('too_many_events');
    expect(refused(await submit(`[${lines(10_001).join(',')}]`)).code).toBe('too_many_events');
    expect(eventsIn(log)).toHaveLength(10_000);
    expect(new Set(eventsIn(log).map(({ id }) => id)).size).toBe(10_000);
  });

  test('of one key stand in the log in the order sent', async () => {
    const { log, submit } = createIngestHarness({ lanes: 3 });
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
