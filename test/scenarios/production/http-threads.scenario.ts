// Promise: several threads that serve HTTP are one API. Whichever of them a connection meets takes events, shows them
// live, and tells of the whole process; what all of them took is stored once; and the port is theirs alone.
import { readFileSync } from 'node:fs';
import { get, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import type { EventView, ReadinessView } from '../../../src/http/contract.ts';
import { expectEverythingAddsUp, type RunningServer, startServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';

const threads = 3;
/**
 * Connections, which the system deals out by their addresses: that one of three threads gets none of them happens once
 * in 10^10 runs.
 */
const connections = 60;

/** Over a connection of its own. */
async function ask(server: RunningServer, path: string, body: object | null = null) {
  const options = {
    method: body === null ? 'GET' : 'POST',
    agent: false,
    headers: body === null ? {} : { 'content-type': 'application/json' },
  } as const;
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  request(`${server.url}${path}`, options, async (response) => {
    resolve({ status: response.statusCode!, body: await text(response) });
  })
    .on('error', reject)
    .end(body === null ? undefined : JSON.stringify(body));
  return promise;
}

const askAll = <Answer>(one: (n: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: connections }, (_, n) => one(n)));

/** Sockets that listen at its port, which are one a thread. */
function listening({ url }: RunningServer): number {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0');
  const isListening = new RegExp(`^ *\\d+: [0-9A-F]{8}:${port} \\S+ 0A `);
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .filter((line) => isListening.test(line)).length;
}

// Elsewhere a port is not shared between threads.
it.runIf(process.platform === 'linux')('takes events by all of them, and tells of all by each', async () => {
  const installation = await createInstallation();
  const [api, worker] = await Promise.all([
    installation.startApi({ env: { ESP_HTTP_THREADS: String(threads) } }),
    installation.startWorker(),
  ]);
  expect(listening(api)).toBe(threads);

  const live = await askAll(
    () =>
      new Promise<{ seen: string; end(): void }>((resolve, reject) => {
        const asked = get(`${api.url}/api/live`, { agent: false }, (response) => {
          const stream = { seen: '', end: () => void asked.destroy() };
          response.setEncoding('utf8').on('data', (chunk: string) => {
            stream.seen += chunk;
          });
          response.on('error', () => undefined);
          resolve(stream);
        }).on('error', reject);
      }),
  );

  // As they come, and waited for: the answer is what the store says of it.
  const taken = await askAll((n) => ask(api, '/api/events', { event_type: 'order.placed', payload: { n } }));
  const waited = await askAll((n) => ask(api, '/api/events?wait=stored', { event_type: 'order.paid', payload: { n } }));
  expect(new Set(taken.map(({ status }) => status))).toEqual(new Set([202]));
  expect(new Set(waited.map(({ body }) => JSON.parse(body).status))).toEqual(new Set(['stored']));
  const ids = [...taken, ...waited].map(({ body }) => (JSON.parse(body) as EventView).id);
  expect(new Set(ids).size).toBe(2 * connections);

  await waitFor('everything to be stored', async () => (await api.settled()).stored === 2 * connections);
  await expectEverythingAddsUp(api);
  for (const id of ids) expect((await ask(api, `/api/events/${id}`)).status).toBe(200);
  await waitFor('every live stream to count all', () =>
    live.every(({ seen }) => seen.includes(`"all_time":{"total":${2 * connections},`)),
  );
  for (const { end } of live) end();

  // What a thread tells of itself reaches the main one within a moment.
  const accepted = /^esp_ingest_events_total\{result="accepted"\} (\d+)$/m;
  await waitFor('the metrics to have everything', async () => {
    const scrapes = await askAll(() => ask(api, '/metrics'));
    return scrapes.every(({ body }) => accepted.exec(body)?.[1] === String(2 * connections));
  });
  const { body: metrics } = await ask(api, '/metrics');
  expect(metrics).toContain(
    `esp_http_requests_total{method="POST",route="/api/events",status_class="2xx"} ${2 * connections}`,
  );
  const readiness = await askAll(() => ask(api, '/health/ready'));
  expect(new Set(readiness.map(({ body }) => body)).size).toBe(1);
  expect(JSON.parse(readiness[0]!.body)).toMatchObject({ ready: true, reasons: [] } satisfies Partial<ReadinessView>);

  const { port } = new URL(api.url);
  const second = installation.startApi({ env: { PORT: port, ESP_HTTP_THREADS: '2' } });
  await expect(second).rejects.toThrow(`Port ${port} is taken`);
  expect(await api.stop()).toEqual({ code: 0, signal: null });
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
});

it('is refused where one process does everything, with what to do', async () => {
  const { env } = await createInstallation({ isSetUp: false });
  const starting = startServer({ dataDir: '/nowhere', env: { ...env, ESP_HTTP_THREADS: '2' } });
  await expect(starting).rejects.toThrow('ESP_HTTP_THREADS is for esp api');
});
