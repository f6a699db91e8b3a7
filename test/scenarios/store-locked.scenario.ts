/**
 * Promise: a store that can't be written for a while stops nothing. While another process holds SQLite's write lock for
 * ten seconds, every event is answered 202 within the deadline; nothing is failed, and the store catches up by itself.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { limits } from '../../src/domain/limits.ts';
import type { LedgerView } from '../../src/http/contract.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  lockStore,
  makeEvent,
  type RunningServer,
  startServer,
  waitFor,
} from './harness.ts';

const lockedMs = 10_000;

it('goes on taking events while the store is locked, and catches up', async () => {
  const server = await startServer({ dataDir: createTempDir('locked') });
  await server.send([makeEvent(0)]);
  await server.settled();
  const lock = await lockStore(join(server.dataDir, 'store.sqlite'));

  const until = performance.now() + lockedMs;
  const clients = [1, 2, 3, 4].map((client) => sendUntil(server, client, until));
  const slowest = Math.max(...(await Promise.all(clients)).map(({ slowestMs }) => slowestMs));
  const sent = (await Promise.all(clients)).reduce((sum, { sent }) => sum + sent, 0);
  expect(slowest).toBeLessThan(limits.ingestDeadlineMs);

  // The lock did hold: none of it is stored, and the server says that it is on its way.
  const during: LedgerView = await server.get('/api/ledger');
  expect(during).toMatchObject({ stored: 1, failed: 0, in_flight: sent, balanced: true });
  expect((await server.request('/health/live')).status).toBe(200);
  expect(server.output()).toContain('partition.paused');

  // Who waits for storing is told the truth in time: it is accepted, and no more.
  const waiting = await server.send([makeEvent(1)], '/api/events', { prefer: 'wait=1' });
  expect(waiting).toMatchObject({ status: 202, body: { accepted: 1 } });

  await lock.release();
  const after = await waitFor('the store to catch up', async () => {
    const ledger: LedgerView = await server.get('/api/ledger');
    return ledger.in_flight === 0 && ledger;
  });
  expect(after).toMatchObject({ stored: sent + 2, duplicate: 0, failed: 0, open_in_inbox: 0 });
  await expectEverythingAddsUp(server);
});

/** One event after another; each must be answered 202. */
async function sendUntil(server: RunningServer, client: number, until: number) {
  let sent = 0;
  let slowestMs = 0;
  while (performance.now() < until) {
    const startedAt = performance.now();
    const answer = await server.request('/api/events', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(makeEvent(sent, { source: `client-${client}` })),
    });
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    expect(answer.status).toBe(202);
    sent += 1;
  }
  return { sent, slowestMs };
}
