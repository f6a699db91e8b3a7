import { afterEach, describe, expect, it } from 'vitest';
import { violations } from '../../testing/conforms.ts';
import { createHttpDependencies, makeInboxEntry } from '../../testing/http-dependencies.ts';
import { createHttpApp } from '../app.ts';
import { FailedEventDetail, FailedEventPage, FailedEventSummary, JobView, RedriveReceipt } from '../contract.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

function setUp() {
  const made = createHttpDependencies();
  const app = createHttpApp(made.dependencies);
  open.push(app);
  const post = (url: string, payload?: string) =>
    app.inject({
      method: 'POST',
      url,
      ...(payload === undefined ? {} : { payload, headers: { 'content-type': 'application/json' } }),
    });
  return { app, post, ...made };
}

describe('reading the inbox', () => {
  it('answers a page as the contract has it', async () => {
    const { app, state } = setUp();
    state.inbox.push(
      makeInboxEntry(),
      makeInboxEntry({
        position: { logNo: 1, partition: 0, offset: 1 },
        state: 'resolved',
        settledAt: 1_700_000_009_000,
        resolution: { kind: 'failed_again', inboxId: 'store:1:0:5' },
        jobId: 'job-1',
      }),
    );
    const answer = await app.inject('/api/failed-events');
    expect(violations(FailedEventPage, answer.json())).toEqual([]);
    expect(answer.json().failed_events[0]).toMatchObject({
      id: 'store:1:3:9',
      state: 'open',
      reason: { code: 'conflict', message: 'another event has this id' },
      origin: { log_no: 1, partition: 3, offset: 9 },
      value_bytes: 45,
    });
    expect(answer.json().failed_events[1].resolution).toEqual({ kind: 'failed_again', failed_event: 'store:1:0:5' });
  });

  it('hands filters to the store', async () => {
    const { app, state } = setUp();
    await app.inject('/api/failed-events?state=open&event_type=a&reason=conflict&limit=5&cursor=c');
    expect(state.inboxQueries).toEqual([{ state: 'open', eventType: 'a', code: 'conflict', limit: 5, cursor: 'c' }]);
  });

  it('lists the states where another is asked for', async () => {
    const { app } = setUp();
    const answer = await app.inject('/api/failed-events?state=lost');
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors).toEqual([
      { path: '/query/state', code: 'invalid_value', message: 'must be one of open, redriving, resolved, discarded' },
    ]);
  });

  it('says that a cursor is not its own', async () => {
    const { app } = setUp();
    expect((await app.inject('/api/failed-events?cursor=broken')).json().code).toBe('invalid_cursor');
  });

  it('gives a record that is text as text, and one that is not as base64', async () => {
    const { app, state } = setUp();
    state.inbox.push(
      makeInboxEntry({ value: Buffer.from('\ufeff{"a":"ü"') }),
      makeInboxEntry({ position: { logNo: 1, partition: 0, offset: 1 }, value: Buffer.from([0xff, 0x00]) }),
    );
    const text = (await app.inject('/api/failed-events/store:1:3:9')).json();
    expect(violations(FailedEventDetail, text)).toEqual([]);
    expect(text).toMatchObject({ value: '\ufeff{"a":"ü"', value_base64: null });
    const bytes = (await app.inject('/api/failed-events/store%3A1%3A0%3A1')).json();
    expect(bytes).toMatchObject({ value: null, value_base64: '/wA=', value_bytes: 2 });
  });

  it('answers 404 where there is none', async () => {
    const { app } = setUp();
    expect((await app.inject('/api/failed-events/store:1:0:1')).json()).toMatchObject({
      status: 404,
      code: 'failed_event_not_found',
    });
  });
});

describe('redriving one', () => {
  it('starts a job that can be asked about', async () => {
    const { app, post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    const answer = await post('/api/failed-events/store:1:3:9/redrive');
    expect(answer.statusCode).toBe(202);
    expect(violations(RedriveReceipt, answer.json())).toEqual([]);
    expect(answer.json()).toEqual({ job_id: 'job-1', matched: 1, skipped: 0, taken: 0 });
    expect(state.redrives).toEqual([{ select: { kind: 'ids', ids: ['store:1:3:9'] }, dryRun: false }]);
    const job = await app.inject(String(answer.headers.location));
    expect(violations(JobView, job.json())).toEqual([]);
    expect(job.json()).toMatchObject({ id: 'job-1', state: 'running', total: 1 });
  });

  it.each([
    [
      'digits',
      '{"payload": {"n": 12345678901234567890.10, "m":1e300 } }',
      '{"n": 12345678901234567890.10, "m":1e300 }',
    ],
    ['-0 as 0', '{"payload":{"a":-0,"b":[-0.0,-1,{"c":-0e5}]}}', '{"a":0,"b":[0.0,-1,{"c":0e5}]}'],
    ['the last of a duplicate key', '{"payload":{"a":1},"p\\u0061yload":{"a":2}}', '{"a":2}'],
    ['__proto__', '{"payload":{"__proto__":{"x":1}}}', '{"__proto__":{"x":1}}'],
  ])('takes an edited payload as the text it is: %s', async (_name, body, payloadJson) => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    expect((await post('/api/failed-events/store:1:3:9/redrive', body)).statusCode).toBe(202);
    expect(state.redrives[0]?.payloadJson).toBe(payloadJson);
  });

  it.each(['', ' {} ', '{"__proto__x":1}'])('has nothing to edit in %j or refuses it', async (body) => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    const answer = await post('/api/failed-events/store:1:3:9/redrive', body);
    expect(answer.statusCode).toBe(body.includes('x') ? 400 : 202);
    expect(state.redrives.map(({ payloadJson }) => payloadJson)).toEqual(body.includes('x') ? [] : [undefined]);
  });

  it.each([
    ['{"payload":[1]}', 'invalid_request', '/payload'],
    ['{"payload":{"a":"\\u0000"}}', 'invalid_request', '/payload/a'],
    ['{"payload":{"a":[0,1e309]}}', 'invalid_request', '/payload/a/1'],
    ['{"payload":{"a":"\\ud800"}}', 'invalid_request', '/payload/a'],
    [`{"payload":{"a":${'['.repeat(70)}${']'.repeat(70)}}}`, 'invalid_request', `/payload/a${'/0'.repeat(63)}`],
    [`{"payload":{"a":"${'x'.repeat(300_000)}"}}`, 'invalid_request', '/payload'],
    ['{"payload":{},"colour":1}', 'invalid_request', '/colour'],
    ['{"payload":{}', 'invalid_json', undefined],
    ['{"payload":{}} x', 'invalid_json', undefined],
    ['[]', 'invalid_request', undefined],
  ])('refuses %j', async (body, code, path) => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    const answer = await post('/api/failed-events/store:1:3:9/redrive', body);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code });
    expect(answer.json().errors?.[0].path).toBe(path);
    expect(state.redrives).toEqual([]);
  });

  it('answers 409 where it is not open', async () => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry({ state: 'discarded' }));
    expect((await post('/api/failed-events/store:1:3:9/redrive')).json()).toMatchObject({
      status: 409,
      code: 'not_redrivable',
    });
  });

  it('answers 409 with the job where one has claimed it or sent it', async () => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    state.claims.set('store:1:3:9', 'job-7');
    for (const what of ['redrive', 'discard']) {
      const answer = (await post(`/api/failed-events/store:1:3:9/${what}`)).json();
      expect(answer).toMatchObject({ status: 409, code: 'being_redriven', retriable: true });
      expect(answer.detail).toContain('/api/jobs/job-7');
    }
    state.claims.clear();
    state.inbox[0] = makeInboxEntry({ state: 'redriving', jobId: 'job-8' });
    for (const what of ['redrive', 'discard']) {
      const answer = (await post(`/api/failed-events/store:1:3:9/${what}`)).json();
      expect(answer).toMatchObject({ status: 409, code: 'being_redriven' });
      expect(answer.detail).toContain('/api/jobs/job-8');
    }
  });

  it('answers 404 where there is none', async () => {
    const { post } = setUp();
    expect((await post('/api/failed-events/store:1:3:9/redrive')).statusCode).toBe(404);
  });
});

describe('redriving many', () => {
  it.each([
    [
      '{"ids":["store:1:3:9","other"]}',
      { kind: 'ids', ids: ['store:1:3:9', 'other'] },
      false,
      202,
      { job_id: 'job-1', matched: 1, skipped: 1, taken: 0 },
    ],
    [
      '{"filter":{"event_type":"a","reason":"conflict"}}',
      { kind: 'filter', eventType: 'a', code: 'conflict' },
      false,
      202,
      { job_id: 'job-1', matched: 1, skipped: 0, taken: 0 },
    ],
    ['{"filter":{},"dry_run":true}', { kind: 'filter' }, true, 200, { job_id: null, matched: 1, skipped: 0, taken: 0 }],
    [
      '{"ids":["other"]}',
      { kind: 'ids', ids: ['other'] },
      false,
      202,
      { job_id: null, matched: 0, skipped: 1, taken: 0 },
    ],
  ])('%s', async (body, select, dryRun, status, receipt) => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    const answer = await post('/api/failed-events/redrive', body);
    expect(answer.statusCode).toBe(status);
    expect(violations(RedriveReceipt, answer.json())).toEqual([]);
    expect(answer.json()).toEqual(receipt);
    expect(state.redrives).toEqual([{ select, dryRun }]);
  });

  it('tells how many another job has', async () => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry(), makeInboxEntry({ position: { logNo: 1, partition: 0, offset: 1 } }));
    state.claims.set('store:1:0:1', 'job-7');
    const answer = await post('/api/failed-events/redrive', '{"filter":{}}');
    expect(answer.json()).toEqual({ job_id: 'job-1', matched: 1, skipped: 1, taken: 1 });
  });

  it('tells every problem of the body at once', async () => {
    const { post } = setUp();
    const answer = await post('/api/failed-events/redrive', '{"ids":[],"filter":{"colour":1},"dry_run":"maybe","x":1}');
    expect(answer.statusCode).toBe(400);
    expect(
      answer
        .json()
        .errors.map(({ path }: { path: string }) => path)
        .sort(),
    ).toEqual(['/dry_run', '/filter/colour', '/ids', '/x']);
  });

  it('starts nothing for a dry_run that is neither true nor false', async () => {
    const { post, state } = setUp();
    for (const dryRun of ['null', '1', '"true"']) {
      expect((await post('/api/failed-events/redrive', `{"filter":{},"dry_run":${dryRun}}`)).statusCode).toBe(400);
    }
    expect(state.redrives).toEqual([]);
  });

  it.each(['{}', '{"dry_run":true}', '{"ids":["a"],"filter":{}}'])('wants either ids or a filter: %s', async (body) => {
    const { post, state } = setUp();
    expect((await post('/api/failed-events/redrive', body)).json()).toMatchObject({
      status: 400,
      code: 'invalid_request',
    });
    expect(state.redrives).toEqual([]);
  });
});

describe('discarding', () => {
  it('settles an open one, once', async () => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    const answer = await post('/api/failed-events/store:1:3:9/discard');
    expect(answer.statusCode).toBe(200);
    expect(violations(FailedEventSummary, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({ state: 'discarded', resolution: { kind: 'discarded' } });
    expect((await post('/api/failed-events/store:1:3:9/discard')).json()).toMatchObject({
      status: 409,
      code: 'not_redrivable',
    });
  });

  it('takes no body', async () => {
    const { post, state } = setUp();
    state.inbox.push(makeInboxEntry());
    expect((await post('/api/failed-events/store:1:3:9/discard', '{"why":"old"}')).statusCode).toBe(400);
    expect((await post('/api/failed-events/store:1:3:9/discard', '{}')).statusCode).toBe(200);
  });
});

it('answers 404 for a job that there is not', async () => {
  const { app } = setUp();
  expect((await app.inject('/api/jobs/none')).json()).toMatchObject({ status: 404, code: 'job_not_found' });
});
