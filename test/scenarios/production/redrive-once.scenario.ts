// Promise: failed events that two API processes and the command line redrive at the same time are each redriven once:
// what one has, the others leave out and say so.
import { expect, it } from 'vitest';
import type { FailedEventPage, RedriveReceipt } from '../../../src/http/contract.ts';
import { expectEverythingAddsUp, makeEvent, type RunningServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';

const rows = 40;

it('two API processes and the command line want the same failed events', async () => {
  const installation = await createInstallation({ partitions: 2 });
  const [first, second] = await Promise.all([
    installation.startApi(),
    installation.startApi(),
    installation.startWorker(),
  ]);
  for (const n of [1, 2]) {
    const events = Array.from({ length: rows }, (_, index) => makeEvent(index, { payload: { n } }));
    expect((await first.send(events, '/api/events?wait=stored')).status).toBe(200);
  }
  const { failed_events: failed } = await first.get<FailedEventPage>('/api/failed-events?state=open');
  expect(failed).toHaveLength(rows);

  const redrive = (server: RunningServer, path: string, body?: string) =>
    server.request<RedriveReceipt & { code: string }>(`/api/failed-events/${path}`, {
      method: 'POST',
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
  const commanded = installation.esp(['failed', 'redrive', '--all', '--json'], { ESP_URL: second.url });
  const answers = await Promise.all([
    ...failed.flatMap(({ id }) => [first, second].map((server) => redrive(server, `${id}/redrive`))),
    ...[first, second].map((server) => redrive(server, 'redrive', '{"filter":{}}')),
  ]);
  for (const { status, body } of answers.filter((answer) => answer.status >= 400)) {
    expect(status).toBe(409);
    expect(['being_redriven', 'not_redrivable']).toContain(body.code);
  }
  const receipts = answers.filter(({ status }) => status < 400).map(({ body }) => body);
  receipts.push(JSON.parse((await commanded).stdout));
  expect(receipts.reduce((sum, { matched }) => sum + matched, 0)).toBe(rows);

  await waitFor('all of them to be settled', async () => (await first.settled()).open_in_inbox === 0);
  const ledger = await expectEverythingAddsUp(first);
  expect(ledger).toMatchObject({ appended: 3 * rows, stored: 2 * rows, failed: rows, duplicate: 0 });
});
