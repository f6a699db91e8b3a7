import { expect, test } from 'vitest';
import { createTelemetry, type Telemetry } from '../../telemetry/telemetry.ts';
import { announceTold, type ToldMessage, tellMain } from './thread-telling.ts';

/** What one thread announces, carried to another one's telemetry. */
function setUp() {
  const [there, here] = [createTelemetry(), createTelemetry()];
  const posted: (readonly ToldMessage[])[] = [];
  const heard: (readonly [string, object])[] = [];
  here.onAny((name, payload) => heard.push([name, payload]));
  const flush = tellMain(there, (messages) => {
    // As a port does: what can't be cloned is found.
    posted.push(structuredClone(messages));
    for (const message of messages) announceTold(here, 'http 3', message);
  });
  return { emit: there.emit as Telemetry['emit'], flush, posted, heard };
}

test('requests are told together, and announced one by one', () => {
  const { emit, flush, posted, heard } = setUp();
  const request = { method: 'POST', route: '/api/events', status: 202 };
  for (const durationMs of [1, 2, 3]) emit('request.completed', { ...request, durationMs });
  emit('request.completed', { ...request, status: 400, durationMs: 4 });
  for (let n = 0; n < 5; n += 1) emit('request.shed', { route: '/api/events' });
  flush();
  expect(posted).toEqual([
    [
      { kind: 'completed', ...request, durationsMs: [1, 2, 3] },
      { kind: 'completed', ...request, status: 400, durationsMs: [4] },
      { kind: 'shed', route: '/api/events', count: 5 },
    ],
  ]);
  expect(heard.map(([name]) => name)).toEqual([
    ...Array.from({ length: 4 }, () => 'request.completed'),
    ...Array.from({ length: 5 }, () => 'request.shed'),
  ]);
  expect(heard[2]).toEqual(['request.completed', { ...request, durationMs: 3 }]);
});

test('everything else is told as it came, with the thread it comes from', () => {
  const { emit, flush, heard } = setUp();
  emit('overload.began', { underWayMax: 12 });
  emit('append.failed', { events: 2, error: 'the broker said no' });
  flush();
  expect(heard).toEqual([
    ['overload.began', { underWayMax: 12, thread: 'http 3' }],
    ['append.failed', { events: 2, error: 'the broker said no', thread: 'http 3' }],
  ]);
});

test('what is the process’s is left to the main thread, and where nothing happened nothing is posted', () => {
  const { emit, flush, posted } = setUp();
  emit('process.stopping', { reason: 'SIGTERM' });
  emit('process.stopped', { forced: false });
  flush();
  expect(posted).toEqual([]);
});

test('it is told by itself after a moment, once', async () => {
  const { emit, flush, posted } = setUp();
  emit('request.shed', { route: 'a' });
  emit('request.shed', { route: 'a' });
  expect(posted).toEqual([]);
  await expect.poll(() => posted).toEqual([[{ kind: 'shed', route: 'a', count: 2 }]]);
  flush();
  expect(posted).toHaveLength(1);
  emit('request.shed', { route: 'b' });
  await expect.poll(() => posted).toHaveLength(2);
});
