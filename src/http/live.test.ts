import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { limits } from '../domain/limits.ts';
import type { RecentEvent } from '../metrics-store/metrics-store.ts';
import { violations } from '../testing/conforms.ts';
import { createHttpDependencies, makeEvent } from '../testing/http-dependencies.ts';
import { createHttpApp } from './app.ts';
import type { HttpLimits } from './bare-app.ts';
import { LiveEvents, LiveSnapshot } from './contract.ts';
import { createLive } from './live.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  vi.useRealTimers();
});

const liveLimits = {
  snapshotMinMs: 200,
  snapshotPerClientMs: 0,
  snapshotIdleMs: 2_000,
  ledgerEveryMs: 1_000,
  clientsMax: 3,
  eventsPerTick: 2,
  eventBytesPerTick: 1_000,
  stalledMs: 5_000,
};

interface Message {
  readonly event: string;
  readonly data: LiveSnapshot & LiveEvents;
}

/** Reads an event stream as the format has it: `data` lines of one message are joined by line feeds. */
function parse(text: string): Message[] {
  return text.split('\n\n').flatMap((block) => {
    const lines = block.split('\n');
    const event = lines.find((line) => line.startsWith('event: '))?.slice(7);
    const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
    return event === undefined ? [] : [{ event, data: JSON.parse(data.join('\n')) as LiveSnapshot & LiveEvents }];
  });
}

/** A client whose socket the test fills and drains at will. */
function createSink() {
  const sink = {
    text: '',
    isFull: false,
    isEnded: false,
    isDestroyed: false,
    write(message: string | Uint8Array) {
      sink.text += typeof message === 'string' ? message : Buffer.from(message).toString();
      return !sink.isFull;
    },
    end() {
      sink.isEnded = true;
    },
    destroy() {
      sink.isDestroyed = true;
    },
    take(): Message[] {
      const messages = parse(sink.text);
      sink.text = '';
      return messages;
    },
  };
  return sink;
}

function setUp(given: Partial<typeof liveLimits> = {}) {
  vi.useFakeTimers({ now: 1_700_000_100_000 });
  const { dependencies, state, telemetry } = createHttpDependencies();
  const live = createLive(dependencies, { ...liveLimits, ...given });
  closing.push(() => live.close());
  return { live, state, telemetry };
}

/** Lets what is under way come to its end, without time passing. */
const settle = () => vi.advanceTimersByTimeAsync(0);

/** A client that has had its first snapshot. */
async function connected(recent: readonly RecentEvent[] = []) {
  const made = setUp();
  made.state.metrics.recent = [...recent];
  const sink = createSink();
  made.live.connect('15m', sink);
  await settle();
  return { ...made, sink };
}

describe('a live client', () => {
  it('gets a snapshot and recent events at once', async () => {
    const { sink } = await connected([makeEvent()]);
    expect(sink.text).toMatch(/^retry: \d+\n\n/);
    const [snapshot, events] = sink.take();
    expect(snapshot?.event).toBe('snapshot');
    expect(violations(LiveSnapshot, snapshot?.data)).toEqual([]);
    expect(snapshot?.data.metrics?.window).toBe('15m');
    expect(events?.event).toBe('event');
    expect(violations(LiveEvents, events?.data)).toEqual([]);
    expect(events?.data).toMatchObject({ left_out: 0, events: [{ id: makeEvent().id }] });
  });

  it('gets a snapshot every two seconds while nothing changes', async () => {
    const { sink } = await connected();
    sink.take();
    await vi.advanceTimersByTimeAsync(1_999);
    expect(sink.take()).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(sink.take().map(({ event }) => event)).toEqual(['snapshot']);
  });

  it('gets a ledger that is a second old at most, also when nothing changes any more', async () => {
    const { state, sink } = await connected();
    for (let ms = 0; ms < 2_500; ms += 10) {
      state.metrics.add([makeEvent()]);
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(state.ledgerReads).toBe(3);
    sink.take();
    await vi.advanceTimersByTimeAsync(500);
    expect(state.ledgerReads).toBe(4);
    expect(sink.take().map(({ event }) => event)).toContain('snapshot');
    await vi.advanceTimersByTimeAsync(1_999);
    expect(state.ledgerReads).toBe(4);
  });

  it('is told no sooner because the ledger may be read again', async () => {
    const { state, sink } = await connected();
    state.metrics.add([makeEvent()]);
    // Its next tick comes just before the ledger's second is over.
    await vi.advanceTimersByTimeAsync(985);
    state.metrics.add([makeEvent()]);
    await vi.advanceTimersByTimeAsync(5);
    sink.take();
    await vi.advanceTimersByTimeAsync(liveLimits.snapshotMinMs - 20);
    expect(sink.take()).toEqual([]);
    await vi.advanceTimersByTimeAsync(20);
    expect(sink.take().map(({ event }) => event)).toContain('snapshot');
  });

  it('gets them as before when the clock is set back', async () => {
    const { state, sink } = await connected();
    sink.take();
    vi.setSystemTime(Date.now() - 3_600_000);
    state.metrics.add([makeEvent()]);
    await vi.advanceTimersByTimeAsync(liveLimits.snapshotMinMs);
    expect(sink.take().map(({ event }) => event)).toEqual(['snapshot', 'event']);
  });

  it('gets one at most every 200 ms while something does', async () => {
    const { state, sink } = await connected();
    await vi.advanceTimersByTimeAsync(1_000);
    sink.take();
    for (let ms = 0; ms < 1_000; ms += 10) {
      state.metrics.add([makeEvent()]);
      await vi.advanceTimersByTimeAsync(10);
    }
    const snapshots = sink.take().filter(({ event }) => event === 'snapshot');
    expect(snapshots.length).toBeGreaterThanOrEqual(5);
    expect(snapshots.length).toBeLessThanOrEqual(6);
  });

  it('gets a sample of events, newest first, and how many were left out', async () => {
    const { state, sink } = await connected();
    await vi.advanceTimersByTimeAsync(2_000);
    sink.take();
    state.metrics.add([makeEvent({ id: 'c' }), makeEvent({ id: 'b' })], 10);
    state.metrics.add([makeEvent({ id: 'd' })], 5);
    await vi.advanceTimersByTimeAsync(2_000);
    const [events, ...more] = sink.take().filter(({ event }) => event === 'event');
    expect(events?.data.events.map(({ id }: { id: string }) => id)).toEqual(['d', 'c']);
    expect(events?.data.left_out).toBe(13);
    expect(more).toEqual([]);
  });

  it('gets fewer events where they are large, and one at least', async () => {
    const { state, sink } = await connected();
    const payloadJson = `{"a":"${'x'.repeat(600)}"}`;
    await vi.advanceTimersByTimeAsync(2_000);
    sink.take();
    state.metrics.add([makeEvent({ payloadJson }), makeEvent({ payloadJson })]);
    await vi.advanceTimersByTimeAsync(2_000);
    state.metrics.add([makeEvent({ payloadJson: `{"a":"${'x'.repeat(6_000)}"}` })]);
    await vi.advanceTimersByTimeAsync(2_000);
    const events = sink.take().filter(({ event }) => event === 'event');
    expect(events.map(({ data }) => [data.events.length, data.left_out])).toEqual([
      [1, 1],
      [1, 0],
    ]);
  });

  it('reads a payload with line breaks whole, digits and all', async () => {
    const { sink } = await connected([makeEvent({ payloadJson: '{\r\n"a":1,\n\n"b":2,\r"c":12345678901234567890}' })]);
    expect(sink.text).toContain('"c":12345678901234567890');
    expect(sink.take()[1]?.data.events[0]?.payload).toMatchObject({ a: 1, b: 2 });
  });

  it('that is too slow keeps only the newest snapshot, and learns how many events it missed', async () => {
    const { live, state } = setUp();
    const sink = createSink();
    sink.isFull = true;
    const client = live.connect('15m', sink);
    await settle();
    sink.take();
    for (let tick = 0; tick < 5; tick += 1) {
      state.metrics.add([makeEvent({ id: `${tick}` })], 4);
      await vi.advanceTimersByTimeAsync(200);
    }
    expect(sink.text).toBe('');
    sink.isFull = false;
    client.drained();
    expect(sink.take().map(({ event, data }) => [event, data.metrics?.total])).toEqual([['snapshot', 120]]);
    state.metrics.add([makeEvent({ id: 'last' })], 1);
    await vi.advanceTimersByTimeAsync(2_000);
    const [events] = sink.take().filter(({ event }) => event === 'event');
    expect(events?.data).toMatchObject({ left_out: 20, events: [{ id: 'last' }] });
  });

  it('that takes nothing any more loses its place', async () => {
    const { live } = setUp();
    const sink = createSink();
    sink.isFull = true;
    live.connect('15m', sink);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(sink.isDestroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(sink.isDestroyed).toBe(true);
  });

  it('keeps the last numbers with fresh readiness while the stores are away', async () => {
    const { live, state, telemetry } = setUp();
    const failures: unknown[] = [];
    telemetry.on('request.failed', (failure) => failures.push(failure));
    const sink = createSink();
    live.connect('15m', sink);
    await settle();
    sink.take();
    state.metrics.failing = new UnavailableError('metrics_unavailable', 'away');
    state.ready = { ready: false, reasons: [{ code: 'worker_down', message: 'soon' }] };
    await vi.advanceTimersByTimeAsync(2_000);
    const [snapshot] = sink.take();
    expect(snapshot?.data).toMatchObject({ metrics: { total: 100 }, readiness: { ready: false } });
    expect(failures).toEqual([]);
    state.metrics.failing = new TypeError('a bug');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(failures).toEqual([
      expect.objectContaining({ route: '/api/live', error: expect.stringContaining('a bug') }),
    ]);
  });

  it('is told why where there were never any numbers, and what there is', async () => {
    const { live, state } = setUp();
    state.metrics.failing = new UnavailableError('metrics_unavailable', 'away');
    state.ready = { ready: true, reasons: [{ code: 'metrics_unavailable', message: 'Redis does not answer' }] };
    const sink = createSink();
    live.connect('15m', sink);
    await settle();
    const [snapshot] = sink.take();
    expect(snapshot?.data).toMatchObject({ metrics: null, ledger: { balanced: true }, readiness: state.ready });
    expect(violations(LiveSnapshot, snapshot?.data)).toEqual([]);
    state.metrics.failing = null;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(sink.take()[0]?.data.metrics?.total).toBe(100);
  });

  it('gets the most frequent types, and how many there are', async () => {
    const { live, state } = setUp();
    const types = Array.from({ length: 1_000 }, (_, n) => ({ eventType: `type.${n}`, count: 1_000 - n }));
    state.metrics.byType = types;
    const sink = createSink();
    live.connect('15m', sink);
    await settle();
    const metrics = sink.take()[0]?.data.metrics;
    expect(metrics?.types).toBe(1_000);
    expect(metrics?.by_type).toEqual(
      types.slice(0, 200).map(({ eventType, count }) => ({ event_type: eventType, count })),
    );
    expect(metrics?.all_time.by_type).toHaveLength(200);
  });
});

describe('all live clients together', () => {
  it('cost one reading a window and tick, and one at connecting together', async () => {
    const { live, state } = setUp();
    const sinks = ['15m', '15m', '1h'].map((window) => {
      const sink = createSink();
      live.connect(window as '15m', sink);
      return sink;
    });
    await settle();
    expect(state.metrics.reads).toBe(2);
    for (const sink of sinks) sink.take();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(state.metrics.reads).toBe(4);
    expect(sinks.map((sink) => sink.take()[0]?.data.metrics?.window)).toEqual(['15m', '15m', '1h']);
  });

  it('leave nothing running when the last one goes', async () => {
    const { live, state } = setUp();
    expect(state.metrics.subscribers()).toBe(0);
    const client = live.connect('15m', createSink());
    await settle();
    expect(state.metrics.subscribers()).toBe(1);
    const { reads } = state.metrics;
    client.closed();
    expect(state.metrics.subscribers()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(state.metrics.reads).toBe(reads);
  });

  it('are bounded, and a place that is left is free again', async () => {
    const { live } = setUp({ clientsMax: 1 });
    const client = live.connect('15m', createSink());
    expect(live.hasRoom()).toBe(false);
    client.closed();
    expect(live.hasRoom()).toBe(true);
  });
});

describe('GET /api/live', () => {
  async function listen(httpLimits: Partial<HttpLimits> = {}) {
    const { dependencies, state, telemetry } = createHttpDependencies();
    const app = createHttpApp(dependencies, { ...limits, liveSnapshotMinMs: 5, liveSnapshotIdleMs: 20, ...httpLimits });
    await app.listen({ host: '127.0.0.1', port: 0 });
    closing.push(() => app.close());
    const { port } = app.server.address() as AddressInfo;
    const open = async (query = '') => {
      const request = get({ host: '127.0.0.1', port, path: `/api/live${query}`, agent: false });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.setEncoding('utf8');
      closing.push(() => response.destroy());
      return response;
    };
    return { app, open, state, telemetry };
  }

  it('streams until the server closes, and does not hold that up', async () => {
    const { app, open } = await listen();
    const response = await open('?window=5m');
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-request-id': expect.any(String),
    });
    let text = '';
    response.on('data', (chunk) => {
      text += chunk;
    });
    while (parse(text.slice(0, text.lastIndexOf('\n\n') + 2)).length < 3) await once(response, 'data');
    expect(parse(text.slice(0, text.lastIndexOf('\n\n') + 2))[0]?.data.metrics?.window).toBe('5m');
    const ended = once(response, 'end');
    await app.close();
    await ended;
  });

  it('answers 503 where all places are taken, until one is free', async () => {
    const { open } = await listen({ liveClientsMax: 1 });
    const first = await open();
    const second = await open();
    expect(second.statusCode).toBe(503);
    expect(second.headers['retry-after']).toBe('10');
    expect(JSON.parse(await new Response(second as unknown as ReadableStream).text()).code).toBe(
      'too_many_live_clients',
    );
    first.destroy();
    await vi.waitFor(async () => expect((await open()).statusCode).toBe(200), { timeout: 15_000 });
  });

  it('refuses an unknown window, and a HEAD that would never end', async () => {
    const { app } = await listen();
    expect((await app.inject('/api/live?window=2h')).json().code).toBe('invalid_request');
    expect((await app.inject({ url: '/api/live', method: 'HEAD' })).statusCode).toBe(405);
  });

  it('survives a client that reads nothing', async () => {
    const { app, open, state } = await listen();
    const [[socket], slow] = await Promise.all([once(app.server, 'connection') as Promise<[Socket]>, open()]);
    slow.pause();
    const payloadJson = `{"a":"${'x'.repeat(50_000)}"}`;
    for (let tick = 0; tick < 100; tick += 1) {
      const { reads } = state.metrics;
      state.metrics.add(Array.from({ length: 20 }, () => makeEvent({ payloadJson })));
      await vi.waitFor(() => expect(state.metrics.reads).toBeGreaterThan(reads), { interval: 1, timeout: 15_000 });
    }
    // A hundred megabytes went past; what waits is one message that the client has begun and not finished.
    expect(socket.writableLength).toBeGreaterThan(0);
    expect(socket.writableLength).toBeLessThan(3 * 1024 * 1024);
    expect(socket.destroyed).toBe(false);
  });
});
