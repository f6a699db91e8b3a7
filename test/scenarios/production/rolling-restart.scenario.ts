// Promise: APIs and workers replaced one by one under load, behind a load balancer that looks at their readiness: no
// request is lost, none is answered with a 5xx, and every event is stored once.
import { setInterval } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ManyReceipt } from '../../../src/http/contract.ts';
import { type Answer, freePort, type RunningServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { createLoad, expectStoredOnce } from './load.ts';
import { startLoadBalancer } from './load-balancer.ts';

it('nobody who sends or reads notices', async () => {
  const installation = await createInstallation();
  const ports = [await freePort(), await freePort()];
  const startApi = (port: string) =>
    installation.startApi({ env: { PORT: port, ESP_DRAIN_SECONDS: '1', ESP_HTTP_THREADS: '2' } });
  const [apis, workers] = await Promise.all([
    Promise.all(ports.map(startApi)),
    Promise.all([installation.startWorker(), installation.startWorker()]),
  ]);
  const balancer = await startLoadBalancer(ports.map(Number));
  const everyoneIsReady = () => waitFor('both to be ready', () => balancer.ready().length === 2);
  await everyoneIsReady();

  const problems: string[] = [];
  async function ask<Body>(path: string, init?: RequestInit): Promise<Answer<Body>> {
    const response = await fetch(`${balancer.url}${path}`, init);
    const text = await response.text();
    if (!response.ok) problems.push(`${path}: ${response.status} ${text.slice(0, 300)}`);
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as Body };
  }
  const load = createLoad((events) =>
    ask<ManyReceipt>('/api/events', {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${events.map((event) => JSON.stringify(event)).join('\n')}\n`,
    }),
  );
  const sending = load.start({ clients: 8, everyMs: 10, batch: 2 });
  let isOver = false;
  const reading = ['/api/metrics', '/api/events?limit=10', '/api/ledger'].map(async (path) => {
    for await (const _ of setInterval(20)) {
      if (isOver) return;
      await ask(path);
    }
  });
  const asMuchAgain = async () => {
    const sent = load.accepted.size;
    await waitFor('more to be sent', () => load.accepted.size > sent + 200);
  };
  const inOrder = { code: 0, signal: null };
  await asMuchAgain();

  for (const [index, api] of apis.entries()) {
    expect(await api.stop()).toEqual(inOrder);
    await asMuchAgain();
    apis[index] = await startApi(ports[index]!);
    await everyoneIsReady();
  }
  for (const [index, worker] of workers.entries()) {
    expect(await worker.stop()).toEqual(inOrder);
    workers[index] = await installation.startWorker();
  }
  await asMuchAgain();

  isOver = true;
  await Promise.all([sending.stop(), ...reading]);
  expect(problems).toEqual([]);
  const ledger = await expectStoredOnce(apis[0]!, load);
  // Nothing had to be sent twice.
  expect(ledger.duplicate).toBe(0);
  for (const server of [...apis, ...workers] satisfies RunningServer[]) expect(await server.stop()).toEqual(inOrder);
});
