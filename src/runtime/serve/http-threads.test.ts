import { expect, onTestFinished, test } from 'vitest';
import { createTelemetry } from '../../telemetry/telemetry.ts';
import { createGate } from './gate.ts';
import { startHttpThreads } from './http-threads.ts';

function start(count: number) {
  const telemetry = createTelemetry();
  const told: (readonly [string, object])[] = [];
  telemetry.onAny((name, payload) => told.push([name, payload]));
  const gate = createGate();
  const threads = startHttpThreads({
    count,
    module: new URL('../../testing/scripted-http-thread.ts', import.meta.url),
    data: { config: {} as never, gate: gate.memory, stickyRun: new SharedArrayBuffer(8), httpThreads: count + 1 },
    handlers: {
      readiness: async () => ({ ready: true, reasons: [] }),
      prometheus: async () => ({ contentType: 'text/plain', body: '' }),
    },
    telemetry,
  });
  onTestFinished(() => threads.stop());
  return { threads, told, gate };
}

test('they listen where they are told to, once they are told, and are asked and told of together', async () => {
  const { threads, told, gate } = start(2);
  expect(threads.down()).toBe(0);
  expect(await threads.withQueues({ records: 1, bytes: 5 })).toEqual({ records: 1, bytes: 5 });
  await threads.listen(80);
  expect(threads.down()).toBe(0);
  expect(await threads.withQueues({ records: 1, bytes: 5 })).toEqual({ records: 5, bytes: 65 });
  const ofListening = [1, 2].flatMap((thread) =>
    ['listening', 'ready'].map((code) => ['ingest.refused', { code, events: 80, thread: `http ${thread}` }]),
  );
  await expect.poll(() => told).toHaveLength(4);
  expect(told).toEqual(expect.arrayContaining(ofListening));

  gate.setPhase('drained');
  await threads.stop();
  expect(told.slice(4)).toEqual(Array(2).fill(['request.shed', { route: 'shutting_down' }]));
});

test('one that ends is told of, counts as down, and listens at the same port when it is started again', async () => {
  const { threads, told } = start(1);
  const ends = () => told.filter(([name]) => name === 'http_thread.ended');
  // Whoever waits for it is not told that it listens.
  let hasListened = false;
  void threads.listen(13).then(() => {
    hasListened = true;
  });
  await expect
    .poll(ends)
    .toEqual([['http_thread.ended', { thread: 'http 1', message: expect.stringContaining('unlucky') }]]);
  expect([threads.down(), hasListened]).toEqual([1, false]);
  expect(await threads.withQueues({ records: 1, bytes: 5 })).toEqual({ records: 1, bytes: 5 });
  await expect.poll(() => ends().length).toBeGreaterThan(1);
  await threads.listen(80);
  expect([threads.down(), hasListened]).toEqual([0, true]);
});

test('what those that listen wait for is told, until they have it or end', async () => {
  const { threads } = start(1);
  // As one whose store is away.
  await threads.listen(14);
  await expect.poll(() => threads.waiting()).toEqual([['store', 'too many connections']]);
  // Asked for this, it finds its store again.
  expect(await threads.withQueues({ records: 0, bytes: 0 })).toEqual({ records: 2, bytes: 30 });
  await expect.poll(() => threads.waiting()).toEqual([]);
});

test('where there is but the main thread, nothing has to be waited for', async () => {
  const { threads } = start(0);
  await threads.listen(80);
  expect(threads.down()).toBe(0);
  expect(await threads.withQueues({ records: 1, bytes: 5 })).toEqual({ records: 1, bytes: 5 });
  await threads.stop();
});
