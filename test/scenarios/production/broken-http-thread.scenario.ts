// Promise: a thread that serves HTTP and ends by an error takes nothing with it: what it had not answered is sent again
// by its clients, no event is lost or doubled, what it had counted is counted, and it serves again.
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import type { ReadinessView } from '../../../src/http/contract.ts';
import { createTempDir, makeEvent, projectRoot, type RunningServer, waitFor } from '../harness.ts';
import { createInstallation } from './installation.ts';
import { expectStoredOnce } from './load.ts';

const clients = 40;

/** Clients with a connection each that send one event after another, and send again what was not answered. */
function startClients(api: RunningServer) {
  const accepted = new Set<string>();
  const unanswered = { count: 0 };
  let isOver = false;
  let next = 0;

  function post(agent: Agent, event: object): Promise<{ status: number; body: string }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
    const options = { method: 'POST', agent, headers: { 'content-type': 'application/json' } };
    request(`${api.url}/api/events`, options, async (response) => {
      try {
        resolve({ status: response.statusCode!, body: await text(response) });
      } catch (error) {
        reject(error);
      }
    })
      .on('error', reject)
      .end(JSON.stringify(event));
    return promise;
  }

  async function send(agent: Agent): Promise<void> {
    const event = makeEvent(next++);
    for (;;) {
      try {
        const { status, body } = await post(agent, event);
        expect([status, body]).toEqual([202, expect.anything()]);
        accepted.add((JSON.parse(body) as { id: string }).id);
        return;
      } catch (error) {
        if (!['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
        unanswered.count += 1;
      }
    }
  }

  const running = Promise.all(
    Array.from({ length: clients }, async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (!isOver) await send(agent);
      agent.destroy();
    }),
  );
  running.catch(() => undefined);
  return {
    accepted,
    unanswered,
    async stop() {
      isOver = true;
      await running;
    },
  };
}

it.runIf(process.platform === 'linux')('is started again, and only connections are lost', async () => {
  const breaking = createTempDir('break');
  const preloaded = pathToFileURL(join(projectRoot, 'test', 'scenarios', 'break-http-threads.mjs')).href;
  const installation = await createInstallation();
  const [api, worker] = await Promise.all([
    installation.startApi({
      env: { ESP_HTTP_THREADS: '3', ESP_TEST_BREAK: breaking, NODE_OPTIONS: `--import ${preloaded}` },
    }),
    installation.startWorker(),
  ]);
  const load = startClients(api);
  const sample = async (name: string) => {
    const { text: scraped } = await api.request('/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(scraped)?.[1]);
  };
  for (const [index, way] of ['throw', 'exit', 'throw'].entries()) {
    const before = load.accepted.size;
    await waitFor('more to be sent', () => load.accepted.size > before + 200);
    writeFileSync(join(breaking, way), '');
    await waitFor('a thread to end', async () => (await sample('esp_http_thread_ends_total')) === index + 1);
    await waitFor('it to listen again', async () => {
      const { reasons } = await api.get<ReadinessView>('/health/ready');
      return reasons.every(({ code }) => code !== 'http_threads_down');
    });
  }
  await load.stop();
  expect(load.unanswered.count).toBeGreaterThan(0);
  expect(api.output()).toMatch(/"thread":"http \d".*broken by the test/);
  expect(api.output()).toContain('thread ended with code 7');

  const ledger = await expectStoredOnce(api, load);
  // What was appended when the thread ended, and not answered, it may not have counted.
  const counted = await waitFor('every answer to be counted', async () => {
    const accepted = await sample('esp_ingest_events_total\\{result="accepted"\\}');
    return accepted >= load.accepted.size && accepted;
  });
  expect(counted).toBeLessThanOrEqual(ledger.appended);
  expect(await api.stop()).toEqual({ code: 0, signal: null });
  expect(await worker.stop()).toEqual({ code: 0, signal: null });
});
