/**
 * Promise: a failed event that many redrive and discard at once is redriven once or discarded once, never both;
 * everybody else is told 409. What a process had claimed when it was killed is free after the next start.
 */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSqliteEventStore } from '../../src/event-store/sqlite/event-store.sqlite.ts';
import type { FailedEventPage, FailedEventSummary, JobView, RedriveReceipt } from '../../src/http/contract.ts';
import { makeJob } from '../../src/testing/http-dependencies.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  makeEvent,
  type RunningServer,
  startServer,
  storedEvents,
  waitFor,
} from './harness.ts';

const rows = 30;

/** Conflicts, one for each id. */
async function failSome(server: RunningServer): Promise<string[]> {
  for (const n of [1, 2]) {
    const events = Array.from({ length: rows }, (_, index) => makeEvent(index, { payload: { n } }));
    expect((await server.send(events, '/api/events?wait=stored')).status).toBe(200);
  }
  const { failed_events: failed } = await server.get<FailedEventPage>('/api/failed-events?state=open');
  expect(failed).toHaveLength(rows);
  return failed.map(({ id }) => id);
}

function post(server: RunningServer, path: string, json?: object) {
  return server.request<RedriveReceipt & { code: string }>(path, {
    method: 'POST',
    ...(json === undefined ? {} : { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } }),
  });
}

it('a conflict that a client has sent again and again becomes one event', async () => {
  const server = await startServer({ dataDir: createTempDir() });
  const versions = [1, 2, 2, 2, 2, 3].map((n) => makeEvent(0, { payload: { n } }));
  for (const version of versions) await server.send([version], '/api/events?wait=stored');
  const { failed_events: failed } = await server.get<FailedEventPage>('/api/failed-events?state=open');
  expect(failed).toHaveLength(5);
  expect((await post(server, '/api/failed-events/redrive', { filter: {} })).body.matched).toBe(5);
  await waitFor('all of them to be settled', async () => (await server.settled()).open_in_inbox === 0);
  expect(await expectEverythingAddsUp(server)).toMatchObject({ stored: 3, duplicate: 3, failed: 5 });
  const stored = (await storedEvents(server)).map(({ payload }) => (payload as { n: number }).n);
  expect(stored.toSorted()).toEqual([1, 2, 3]);
});

describe('a failed event that many want at once', () => {
  it('goes once, and the log has one record more for each that was redriven', async () => {
    const server = await startServer({ dataDir: createTempDir() });
    const ids = await failSome(server);
    const asked = ids.flatMap((id) => ['redrive', 'discard', 'redrive', 'redrive'].map((what) => ({ id, what })));
    const [bulk, single] = await Promise.all([
      Promise.all([1, 2, 3].map(() => post(server, '/api/failed-events/redrive', { filter: {} }))),
      Promise.all(
        asked.map(async ({ id, what }) => {
          return { id, what, answer: await post(server, `/api/failed-events/${id}/${what}`) };
        }),
      ),
    ]);
    const won = single.filter(({ answer }) => answer.status < 400);
    for (const { answer } of single.filter((each) => !won.includes(each))) {
      expect(answer.status).toBe(409);
      expect(['being_redriven', 'not_redrivable']).toContain(answer.body.code);
    }
    const inBulk = bulk.reduce((sum, { body }) => sum + body.matched, 0);
    const redriven = inBulk + won.filter(({ what }) => what === 'redrive').length;
    const discarded = won.filter(({ what }) => what === 'discard').length;
    expect(redriven + discarded).toBe(rows);
    expect(new Set(won.map(({ id }) => id)).size).toBe(won.length);

    await waitFor('all of them to be settled', async () => (await server.settled()).open_in_inbox === 0);
    const ledger = await expectEverythingAddsUp(server);
    expect(ledger).toMatchObject({ appended: 2 * rows + redriven, stored: rows + redriven, duplicate: 0 });
    const resolved = await server.get<FailedEventPage>('/api/failed-events?state=resolved');
    expect(resolved.failed_events).toHaveLength(redriven);
  });

  it('is free again after the process that had claimed it was killed', async () => {
    const dataDir = createTempDir();
    const killed = await startServer({ dataDir });
    const [id = ''] = await failSome(killed);
    await killed.kill();
    // What a job leaves that is killed before it appends.
    const path = join(dataDir, 'store.sqlite');
    const store = await createSqliteEventStore({ path, role: 'client', eventTypesMax: 10 });
    expect(await store.claimForRedrive([id], makeJob({ id: 'killed' }))).toEqual([id]);
    await store.close();

    const server = await startServer({ dataDir });
    expect((await server.get<JobView>('/api/jobs/killed')).state).toBe('failed');
    expect((await post(server, `/api/failed-events/${id}/redrive`)).status).toBe(202);
    await waitFor('it to be settled', async () => {
      return (await server.get<FailedEventSummary>(`/api/failed-events/${id}`)).state === 'resolved';
    });
  });
});
