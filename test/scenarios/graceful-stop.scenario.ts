/**
 * Promise: SIGTERM under full load loses nothing. Every event that was answered 202 is stored once the server runs
 * again; it ends with exit code 0 in less than ten seconds, whoever is connected, and takes no new connection
 * meanwhile.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import type { EventResult, ReadinessView } from '../../src/http/contract.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  makeEvent,
  type RunningServer,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';
import { dial, requestHead } from './raw-http.ts';

const stopMsMax = 10_000;

interface Client {
  /** Ids of what was answered 202. */
  readonly answered: string[];
  readonly statuses: Set<number>;
}

/** Sends until the server is gone. */
async function sendUntilGone(server: RunningServer, name: string, batch: number, client: Client): Promise<void> {
  for (let n = 0; ; n += batch) {
    const events = Array.from({ length: batch }, (_, index) => makeEvent(n + index, { source: name }));
    try {
      const answer = await server.send(events);
      client.statuses.add(answer.status);
      const { results = [] } = answer.body as { results?: readonly EventResult[] };
      for (const result of results) if (result.status === 'accepted') client.answered.push(result.id);
    } catch (error) {
      // Refused or cut off: nothing was answered, so nothing was promised.
      if (error instanceof TypeError) return;
      throw error;
    }
  }
}

async function isRefused(server: RunningServer): Promise<boolean> {
  const { port, hostname } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, 'connect');
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
  } finally {
    socket.destroy();
  }
}

it('stops in time under load and with clients that hang, and keeps what it answered', async () => {
  const dataDir = createTempDir('graceful');
  const server = await startServer({ dataDir });
  const client: Client = { answered: [], statuses: new Set() };
  const sizes = [1, 1, 1, 1, 20, 20, 500, 500];
  const clients = sizes.map((batch, index) => sendUntilGone(server, `client-${index}`, batch, client));

  // Others that would hold up whoever waits for them: idle, listening, and stuck in the middle of a request.
  const idle = Array.from({ length: 50 }, () => dial(server));
  for (const { socket } of idle) socket.write('GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const live = dial(server);
  live.socket.write('GET /api/live HTTP/1.1\r\nhost: localhost\r\n\r\n');
  const stuck = dial(server);
  stuck.socket.write(`${requestHead({ body: 'x'.repeat(1_000) })}{"event_type"`);
  await waitFor('load', () => client.answered.length > 5_000 && live.received().includes('event: snapshot'));

  const askedAt = performance.now();
  process.kill(server.pid, 'SIGTERM');
  await waitFor('the port to be closed', () => isRefused(server), { timeoutMs: stopMsMax, everyMs: 5 });
  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - askedAt).toBeLessThan(stopMsMax);
  await Promise.all(clients);
  expect([...client.statuses].filter((status) => status !== 202 && status !== 503)).toEqual([]);
  await Promise.all([...idle, live, stuck].map(({ closed }) => closed));

  const next = await startServer({ dataDir });
  const ledger = await expectEverythingAddsUp(next);
  const ids = (await storedEvents(next)).map(({ id }) => id);
  const stored = new Set(ids);
  expect(stored.size).toBe(ids.length);
  expect(client.answered.filter((id) => !stored.has(id))).toEqual([]);
  expect(ledger).toMatchObject({ stored: ids.length, duplicate: 0, failed: 0 });
  expect(await next.stop()).toEqual({ code: 0, signal: null });
});

it('goes on serving for as long as it is told to, and says meanwhile that it is not ready', async () => {
  const dataDir = createTempDir('drain');
  const server = await startServer({ dataDir, env: { ESP_DRAIN_SECONDS: '1' } });
  expect((await server.send([makeEvent(0)])).headers.get('connection')).toBe('keep-alive');
  const askedAt = performance.now();
  process.kill(server.pid, 'SIGTERM');
  const ready = await waitFor('it to be not ready', async () => {
    const answer = await server.request<ReadinessView>('/health/ready');
    return answer.status === 503 && answer;
  });
  expect(ready.body.reasons.map(({ code }) => code)).toEqual(['shutting_down']);
  const answer = await server.send([makeEvent(1)]);
  expect(answer.status).toBe(202);
  expect(answer.headers.get('connection')).toBe('close');
  expect(await server.exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - askedAt).toBeGreaterThan(1_000);
  const next = await startServer({ dataDir });
  expect(await expectEverythingAddsUp(next)).toMatchObject({ stored: 2 });
});

it('gives a second start on the same directory a clear error, also while the first one stops', async () => {
  const dataDir = createTempDir('second');
  const first = await startServer({ dataDir });
  const message = new RegExp(`code 1.*${dataDir} is in use by process ${first.pid} since .*ESP_DATA_DIR`, 's');
  await expect(startServer({ dataDir })).rejects.toThrow(message);
  // The first one has not noticed.
  expect((await first.send([makeEvent(1)])).status).toBe(202);
  await first.settled();

  const ending = first.stop();
  const after = await startServer({ dataDir }).catch((error: Error) => error);
  expect(await ending).toEqual({ code: 0, signal: null });
  // Either it came in time to be refused, or the directory was free already.
  if (after instanceof Error) expect(after.message).toMatch(/in use by/);
  const last = after instanceof Error ? await startServer({ dataDir }) : after;
  expect(await expectEverythingAddsUp(last)).toMatchObject({ stored: 1 });
});
