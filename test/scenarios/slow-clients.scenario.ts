/**
 * Promise: clients that stop half way, send a byte a second or only sit there, a thousand of them, keep nobody else
 * from being served; they are cut off in time, and nothing of an incomplete request is taken.
 */
import { expect, it } from 'vitest';
import { limits } from '../../src/domain/limits.ts';
import { createTempDir, makeEvent, type RunningServer, startServer, waitFor } from './harness.ts';
import { dial, expectUnharmed, requestHead } from './raw-http.ts';

const whole = '{"event_type":"a","payload":{"a":"never taken"}}';

it('serves everybody else while clients stop half way, drip, or only sit there', async () => {
  const server = await startServer({ dataDir: createTempDir('slow-clients') });

  // A thousand that were served once and stay connected.
  const idle = Array.from({ length: 1_000 }, () => dial(server));
  for (const { socket } of idle) socket.write('GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await waitFor('a thousand answers', () => idle.every(({ received }) => received().startsWith('HTTP/1.1 200')));

  // Gone in the middle of a request: with a reset, or saying goodbye.
  const half = requestHead({ body: whole }) + whole.slice(0, 20);
  for (let n = 0; n < 40; n += 1) {
    const { socket } = dial(server);
    socket.write(half, () => (n % 2 === 0 ? socket.destroy() : socket.end()));
  }
  // A byte a second, of the headers and of the body.
  const drips = [requestHead({ body: whole }).slice(0, -2), requestHead({ body: whole })].map((beginning) =>
    drip(server, beginning),
  );

  let accepted = 0;
  let slowestMs = 0;
  const isOver = () => drips.every(({ socket }) => socket.closed);
  const deadline = performance.now() + limits.requestTimeoutMs + 10_000;
  while (!isOver()) {
    expect(performance.now(), 'drips are cut off in time').toBeLessThan(deadline);
    const startedAt = performance.now();
    expect((await server.send([makeEvent(accepted)])).status).toBe(202);
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    accepted += 1;
  }
  expect(slowestMs).toBeLessThan(limits.ingestDeadlineMs);
  for (const { received } of drips) {
    expect(received()).toMatch(/^HTTP\/1\.1 408 /);
    expect(received()).toContain('"code":"request_timeout"');
  }
  // Nobody was thrown out for sitting there.
  expect(idle.filter(({ socket }) => socket.closed)).toEqual([]);
  await expectUnharmed(server, accepted);
});

/** Sends this, and then a byte a second for as long as it may. */
function drip(server: RunningServer, beginning: string): ReturnType<typeof dial> {
  const connection = dial(server);
  connection.socket.write(beginning);
  const timer = setInterval(() => connection.socket.write('x'), 1_000);
  void connection.closed.then(() => clearInterval(timer));
  return connection;
}
