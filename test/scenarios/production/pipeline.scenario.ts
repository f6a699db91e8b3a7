// Promise: on Kafka, PostgreSQL and Redis, an event sent with curl to one process is stored by another, counted, and on
// the live dashboard; all processes stop in order; and everything in one process does the same.
import { describe, expect, it } from 'vitest';
import type { EventDetail, EventPage, LiveSnapshot, MetricsView, ReadinessView } from '../../../src/http/contract.ts';
import { type RunningServer, runCommand, waitFor } from '../harness.ts';
import { liveSnapshot } from '../live-snapshot.ts';
import { dial, requestHead } from '../raw-http.ts';
import { createInstallation } from './installation.ts';

const signup = '{"event_type":"user.signup","payload":{"user_id":123,"email":"user@example.com"}}';

async function sendWithCurl(server: RunningServer): Promise<string> {
  const { stdout, code } = await runCommand([
    'curl',
    '-sS',
    '-X',
    'POST',
    `${server.url}/api/events`,
    '-H',
    'Content-Type: application/json',
    '-d',
    signup,
  ]);
  expect(code).toBe(0);
  const receipt = JSON.parse(stdout) as { id: string; status: string };
  expect(receipt.status).toBe('accepted');
  return receipt.id;
}

describe('an API and a worker', () => {
  it('take an event from curl to the live dashboard, and stop in order', async () => {
    const installation = await createInstallation();
    const [api, worker] = await Promise.all([installation.startApi(), installation.startWorker()]);

    const id = await sendWithCurl(api);
    const event = await waitFor('the event to be stored', () => api.get<EventDetail>(`/api/events/${id}`));
    expect(event).toMatchObject({
      event_type: 'user.signup',
      status: 'stored',
      payload: { user_id: 123, email: 'user@example.com' },
    });
    await waitFor('it to be counted', async () => (await api.get<MetricsView>('/api/metrics')).all_time.total === 1);
    // Of the partitions that no worker has come to yet it says so, until one has.
    const isComplete = ({ metrics, readiness }: LiveSnapshot) =>
      metrics?.all_time.total === 1 && readiness.reasons.length === 0;
    const snapshot = await liveSnapshot(api, isComplete);
    expect(snapshot.ledger).toMatchObject({ stored: 1, in_flight: 0, balanced: true });
    expect(snapshot.readiness.ready).toBe(true);
    expect((await api.request('/dashboard')).status).toBe(200);

    // A worker tells of itself, and of nothing else.
    expect(await worker.get<ReadinessView>('/health/ready')).toEqual({ ready: true, reasons: [] });
    expect((await worker.request('/metrics')).text).toMatch(/esp_records_total\{outcome="stored"\} 1\n/);
    const elsewhere = await worker.request<{ detail: string }>('/api/events');
    expect(elsewhere.status).toBe(404);
    expect(elsewhere.body.detail).toContain('Here are /health/live, /health/ready, and /metrics.');
    expect((await worker.request('/metrics')).text).not.toMatch(/^esp_(lag|inbox_open|free_disk|ingest_queue)/m);
    const { socket, closed, received } = dial(worker);
    socket.write(requestHead({ method: 'GET', path: '/health/live', headers: { host: 'evil.example' } }));
    await closed;
    expect(received()).toMatch(/^HTTP\/1\.1 403 /);

    expect(await api.stop()).toEqual({ code: 0, signal: null });
    expect(await worker.stop()).toEqual({ code: 0, signal: null });
    expect(await installation.esp(['verify'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^OK/) });
  });

  it('share the work: two of each, told apart by nothing', async () => {
    const installation = await createInstallation();
    const [first, second, ...workers] = await Promise.all([
      installation.startApi(),
      installation.startApi(),
      installation.startWorker(),
      installation.startWorker(),
    ]);
    const events = Array.from({ length: 200 }, (_, n) => ({
      event_type: 'a',
      source: 's',
      id: `${n}`,
      payload: { n },
    }));
    const answers = await Promise.all([first.send(events.slice(0, 120)), second.send(events.slice(80))]);
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    const ledger = await waitFor('everything to be settled', async () => {
      const found = await second.settled();
      return found.stored + found.duplicate === 240 && found;
    });
    expect(ledger).toMatchObject({ stored: 200, duplicate: 40, balanced: true });
    await waitFor('both APIs to show the same', async () => {
      const totals = [await first.get<MetricsView>('/api/metrics'), await second.get<MetricsView>('/api/metrics')];
      return totals.every(({ all_time }) => all_time.total === 200 && all_time.duplicates === 40);
    });
    expect((await first.get<EventPage>('/api/events?limit=1000')).events).toHaveLength(200);
    for (const worker of workers) expect((await worker.stop()).code).toBe(0);
  });
});

it('everything in one process does the same', async () => {
  const installation = await createInstallation();
  const server = await installation.start();
  const id = await sendWithCurl(server);
  await waitFor('the event to be stored', () => server.get<EventDetail>(`/api/events/${id}`));
  await waitFor('it to be counted', async () => (await server.get<MetricsView>('/api/metrics')).all_time.total === 1);
  await waitFor('nothing to be missing', async () => {
    return (await server.get<ReadinessView>('/health/ready')).reasons.length === 0;
  });
  expect(await server.stop()).toEqual({ code: 0, signal: null });
});
