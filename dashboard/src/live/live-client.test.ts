import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Event } from '../api/shapes.ts';
import { createLiveClient, type LiveClient, type LiveSource, staleAfterMs } from './live-client.ts';

/** The other end of a connection: what the server would send is said here. */
interface Wire extends LiveSource {
  readonly window: string;
  isClosed: boolean;
  say(type: string, data?: unknown): void;
}

let wires: Wire[];
let stored: Event[];
let client: LiveClient;

function openWire(window: string): Wire {
  const listeners = new Map<string, (message: { data?: unknown }) => void>();
  const wire: Wire = {
    window,
    isClosed: false,
    addEventListener: (type, listener) => listeners.set(type, listener),
    close: () => {
      wire.isClosed = true;
    },
    say: (type, data) => listeners.get(type)?.({ data: typeof data === 'string' ? data : JSON.stringify(data) }),
  };
  wires.push(wire);
  return wire;
}

const wire = () => wires.at(-1)!;
const connection = () => client.getState().connection;
const recentIds = () => client.getState().recent.map((event) => event.id);
const at = (second: number) => new Date(1_700_000_000_000 + second * 1_000).toISOString();
const event = (id: string, second: number) => ({ id, received_at: at(second), payload: '{}' }) as Event;
/** As the server sends it: the payload is JSON there, not text. */
const sent = (id: string, second: number) => ({ id, received_at: at(second), payload: {} });

beforeEach(() => {
  vi.useFakeTimers();
  wires = [];
  stored = [];
  client = createLiveClient({
    window: '15m',
    openSource: openWire,
    loadRecent: async () => stored,
    onFrame: (callback) => void setTimeout(callback, 16),
    now: Date.now,
  });
});

afterEach(() => {
  client.close();
  vi.useRealTimers();
});

it('is live from the first snapshot on', async () => {
  expect(connection()).toEqual({ state: 'connecting' });
  wire().say('snapshot', { metrics: 1 });
  await vi.advanceTimersByTimeAsync(16);
  expect(connection()).toEqual({ state: 'live' });
  expect(client.getState().snapshot).toEqual({ metrics: 1 });
});

it('draws once a frame, however much arrives', async () => {
  const draw = vi.fn();
  client.subscribe(draw);
  for (let n = 0; n < 50; n += 1) wire().say('snapshot', { n });
  wire().say('event', { events: [sent('a', 1)], left_out: 0 });
  expect(draw).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(16);
  expect(draw).toHaveBeenCalledTimes(1);
  expect(client.getState().snapshot).toEqual({ n: 49 });
  expect(recentIds()).toEqual(['a']);
});

it('keeps events once, newest first, with what was stored before it listened', async () => {
  stored = [event('b', 2), event('a', 1)];
  wire().say('snapshot', {});
  await vi.advanceTimersByTimeAsync(16);
  wire().say('event', { events: [sent('d', 4), sent('b', 2)], left_out: 3 });
  wire().say('event', { events: [sent('c', 3)], left_out: 2 });
  await vi.advanceTimersByTimeAsync(16);
  expect(recentIds()).toEqual(['d', 'c', 'b', 'a']);
  expect(client.getState().leftOut).toBe(5);
});

it('keeps every digit of a payload', async () => {
  wire().say('event', '{"left_out":0,"events":[{"id":"a","received_at":"x","payload":{"n":12345678901234567890}}]}');
  await vi.advanceTimersByTimeAsync(16);
  expect(client.getState().recent[0]!.payload).toBe('{"n":12345678901234567890}');
});

it('is stale since the last snapshot, and live again with the next', async () => {
  wire().say('snapshot', {});
  const since = Date.now();
  await vi.advanceTimersByTimeAsync(staleAfterMs + 1_100);
  expect(connection()).toEqual({ state: 'stale', since });
  wire().say('snapshot', {});
  await vi.advanceTimersByTimeAsync(16);
  expect(connection()).toEqual({ state: 'live' });
});

it('opens anew when nothing comes for long', async () => {
  wire().say('snapshot', {});
  await vi.advanceTimersByTimeAsync(26_000);
  expect(wires.length).toBe(2);
  expect(wires[0]!.isClosed).toBe(true);
});

it('tries again after an error, later and later but never later than five seconds', async () => {
  wire().say('snapshot', {});
  wire().say('error');
  const since = Date.now();
  await vi.advanceTimersByTimeAsync(16);
  expect(connection()).toEqual({ state: 'reconnecting', since });
  for (let tries = 2; tries < 10; tries += 1) {
    await vi.advanceTimersByTimeAsync(5_000);
    expect(wires.length).toBeGreaterThanOrEqual(tries);
    wire().say('error');
  }
  expect(connection()).toEqual({ state: 'reconnecting', since });
  await vi.advanceTimersByTimeAsync(5_000);
  stored = [event('missed', 9)];
  wire().say('snapshot', {});
  await vi.advanceTimersByTimeAsync(16);
  expect(connection()).toEqual({ state: 'live' });
  expect(recentIds()).toEqual(['missed']);
});

it('takes nothing more from a connection it has given up', async () => {
  const old = wire();
  old.say('snapshot', { n: 1 });
  client.setWindow('1h');
  old.say('snapshot', { n: 2 });
  wire().say('snapshot', { n: 3 });
  old.say('error');
  await vi.advanceTimersByTimeAsync(16);
  expect(wires.map((one) => [one.window, one.isClosed])).toEqual([
    ['15m', true],
    ['1h', false],
  ]);
  expect(client.getState().snapshot).toEqual({ n: 3 });
  expect(connection()).toEqual({ state: 'live' });
});

it('rests after a minute in the background, and goes on when it is seen again', async () => {
  wire().say('snapshot', {});
  client.setVisible(false);
  await vi.advanceTimersByTimeAsync(59_000 - 1);
  expect(connection().state).not.toBe('paused');
  await vi.advanceTimersByTimeAsync(1_100);
  expect(connection()).toEqual({ state: 'paused' });
  expect(wire().isClosed).toBe(true);
  const opened = wires.length;
  await vi.advanceTimersByTimeAsync(600_000);
  expect(wires.length).toBe(opened);
  client.setVisible(true);
  expect(wires.length).toBe(opened + 1);
});

it('stays open through a short look elsewhere', async () => {
  client.setVisible(false);
  await vi.advanceTimersByTimeAsync(5_000);
  client.setVisible(true);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(wires.length).toBe(1);
});

it('ends for good when it is closed', async () => {
  client.close();
  wire().say('error');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(wires.length).toBe(1);
  expect(wire().isClosed).toBe(true);
});
