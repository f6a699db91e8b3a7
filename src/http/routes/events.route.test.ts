import { afterEach, describe, expect, it } from 'vitest';
import { deriveEventId } from '../../domain/identity.ts';
import { violations } from '../../testing/conforms.ts';
import { createHttpDependencies, makeEvent, makeInboxEntry, makeJob } from '../../testing/http-dependencies.ts';
import { createHttpApp } from '../app.ts';
import { EventDetail, EventPage, EventView } from '../contract.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

function setUp() {
  const made = createHttpDependencies();
  const app = createHttpApp(made.dependencies);
  open.push(app);
  return { app, ...made };
}

describe('GET /api/events', () => {
  it('answers a page as the contract has it', async () => {
    const { app, state } = setUp();
    state.events.push(
      makeEvent({ clientId: 'order-1', source: 'shop', key: 'k', occurredAt: '2026-01-01T00:00:00+02:00' }),
    );
    const answer = await app.inject('/api/events');
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(violations(EventPage, answer.json())).toEqual([]);
    expect(answer.json()).toEqual({
      events: [
        {
          id: '018f0000-0000-7000-8000-000000000001',
          event_type: 'order.created',
          client_id: 'order-1',
          source: 'shop',
          key: 'k',
          occurred_at: '2026-01-01T00:00:00+02:00',
          received_at: '2023-11-14T22:13:20.000Z',
          stored_at: '2023-11-14T22:13:20.042Z',
          partition: 3,
          offset: 7,
          payload: { total: 10 },
        },
      ],
      next_cursor: null,
    });
    expect(violations(EventView, answer.json().events[0])).toEqual([]);
  });

  it('keeps every digit and every key of a payload', async () => {
    const { app, state } = setUp();
    const payloadJson = '{"n":123456789012345678901234567890.10,"__proto__":{"a":1},"e":1e-400,\n "s":"\\u2028"}';
    state.events.push(makeEvent({ payloadJson }));
    expect((await app.inject('/api/events')).body).toContain(`"payload":${payloadJson}}`);
    expect((await app.inject('/api/events/018f0000-0000-7000-8000-000000000001')).body).toContain(
      `"payload":${payloadJson}}`,
    );
  });

  it('hands filters, limit and cursor to the store', async () => {
    const { app, state } = setUp();
    await app.inject(
      '/api/events?event_type=a&source=s&from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00%2B01:00&limit=7&cursor=abc',
    );
    expect(state.eventQueries).toEqual([
      {
        eventType: 'a',
        source: 's',
        from: Date.UTC(2026, 0, 1),
        to: Date.UTC(2026, 0, 1, 23),
        limit: 7,
        cursor: 'abc',
      },
    ]);
  });

  it('asks for 100 where no limit is given', async () => {
    const { app, state } = setUp();
    await app.inject('/api/events');
    expect(state.eventQueries).toEqual([{ limit: 100 }]);
  });

  it('lists a hundred problems of a query at most', async () => {
    const { app } = setUp();
    const query = Array.from({ length: 1_500 }, (_, n) => `x${n}=1`).join('&');
    const { detail, errors } = (await app.inject(`/api/events?${query}`)).json();
    expect(detail).toContain('1500 problems');
    expect(errors).toHaveLength(100);
  });

  it('tells every problem of the query at once', async () => {
    const { app, state } = setUp();
    const answer = await app.inject('/api/events?limit=0&from=yesterday&colour=red&event_type=&source=a&source=b');
    expect(answer.statusCode).toBe(400);
    const { code, errors } = answer.json();
    expect(code).toBe('invalid_request');
    expect(Object.fromEntries(errors.map((error: { path: string; code: string }) => [error.path, error.code]))).toEqual(
      {
        '/query/limit': 'invalid_value',
        '/query/from': 'invalid_value',
        '/query/colour': 'unknown_parameter',
        '/query/event_type': 'invalid_value',
        '/query/source': 'invalid_value',
      },
    );
    expect(state.eventQueries).toEqual([]);
  });

  it.each([
    'limit=1001',
    'limit=1.5',
    'limit=ten',
    'limit=',
    'from=2026-01-01T00:00:00',
    'to=2026-02-30T00:00:00Z',
    'from=2026-01-01T00:00:00+01:00',
  ])('refuses %s', async (query) => {
    const { app } = setUp();
    const answer = await app.inject(`/api/events?${query}`);
    expect(answer.statusCode).toBe(400);
    expect(answer.json().errors[0].path).toBe(`/query/${query.split('=')[0]}`);
  });

  it('says that a cursor is not its own', async () => {
    const { app } = setUp();
    const answer = await app.inject('/api/events?cursor=broken');
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_cursor']);
  });

  it('finds a client’s own event by source and id', async () => {
    const { app, state } = setUp();
    const mine = makeEvent({ id: deriveEventId('shop', '1'), clientId: '1', source: 'shop' });
    state.events.push(mine, makeEvent({ id: deriveEventId('till', '1'), clientId: '1', source: 'till' }));
    const found = await app.inject('/api/events?source=shop&id=1');
    expect(found.json().events.map(({ id }: { id: string }) => id)).toEqual([mine.id]);
    expect((await app.inject('/api/events?source=mill&id=1')).json()).toEqual({ events: [], next_cursor: null });
    expect((await app.inject('/api/events?source=shop&id=1&event_type=other')).json().events).toEqual([]);
    // Without the source it is another id.
    expect((await app.inject('/api/events?id=1')).json().events).toEqual([]);
    expect((await app.inject(`/api/events?id=${mine.id.toUpperCase()}`)).json().events).toHaveLength(1);
  });

  it('finds an event that was sent under a UUID, in any case of letters', async () => {
    const { app, state } = setUp();
    state.events.push(makeEvent({ id: '018f0000-0000-7000-8000-00000000abcd' }));
    expect((await app.inject('/api/events?id=018F0000-0000-7000-8000-00000000ABCD')).json().events).toHaveLength(1);
  });
});

describe('GET /api/events/{id}', () => {
  it('tells the whole story of a stored event', async () => {
    const { app, state } = setUp();
    const event = makeEvent();
    state.events.push(event);
    state.duplicates.push({
      eventId: event.id,
      position: { logNo: 1, partition: 3, offset: 8 },
      receivedAt: 1_700_000_000_500,
    });
    state.inbox.push(
      makeInboxEntry({
        state: 'resolved',
        jobId: 'job-1',
        settledAt: 1_700_000_003_000,
        resolution: { kind: 'stored', eventId: 'another-id' },
      }),
    );
    state.jobs.set('job-1', makeJob());
    const answer = await app.inject(`/api/events/${event.id.toUpperCase()}`);
    expect(violations(EventDetail, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({ id: event.id, status: 'stored', failed_event: null, payload: { total: 10 } });
    expect(answer.json().timeline).toEqual([
      { at: '2023-11-14T22:13:20.000Z', what: 'received', partition: 3, offset: 7 },
      { at: '2023-11-14T22:13:20.042Z', what: 'stored', partition: 3, offset: 7 },
      { at: '2023-11-14T22:13:20.500Z', what: 'duplicate', partition: 3, offset: 8 },
      {
        at: '2023-11-14T22:13:21.010Z',
        what: 'failed',
        partition: 3,
        offset: 9,
        note: 'conflict: another event has this id',
      },
      { at: '2023-11-14T22:13:22.000Z', what: 'redriven', partition: 3, offset: 9, note: 'job job-1' },
      { at: '2023-11-14T22:13:23.000Z', what: 'resolved', partition: 3, offset: 9, note: 'stored as another-id' },
    ]);
  });

  it('names the failed event of a conflict that is still open', async () => {
    const { app, state } = setUp();
    state.events.push(makeEvent());
    state.inbox.push(makeInboxEntry());
    expect((await app.inject('/api/events/018f0000-0000-7000-8000-000000000001')).json()).toMatchObject({
      status: 'stored',
      failed_event: 'store:1:3:9',
    });
  });

  it('tells of an event that could not be stored', async () => {
    const { app, state } = setUp();
    state.inbox.push(makeInboxEntry({ code: 'unsupported_value', message: 'no' }));
    const answer = await app.inject('/api/events/018f0000-0000-7000-8000-000000000001');
    expect(answer.statusCode).toBe(200);
    expect(violations(EventDetail, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({
      status: 'failed',
      stored_at: null,
      payload: null,
      failed_event: 'store:1:3:9',
      offset: 9,
    });
    expect(answer.json().timeline.map(({ what }: { what: string }) => what)).toEqual(['received', 'failed']);
  });

  it('answers 404 for what is not stored, or not yet', async () => {
    const { app } = setUp();
    const answer = await app.inject('/api/events/018f0000-0000-7000-8000-000000000009');
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ code: 'event_not_found', retriable: true });
    expect((await app.inject('/api/events/%00')).json().code).toBe('invalid_request');
    expect((await app.inject('/api/events?event_type=%00')).json().code).toBe('invalid_request');
    const other = (await app.inject('/api/events/order-7')).json();
    expect(other).toMatchObject({ code: 'event_not_found', retriable: false });
    expect(other.detail).toContain('/api/events?source=…&id=…');
  });
});
