/**
 * Promise: a server whose clock is set back by an hour goes on at once: events are stored, the live stream and the
 * numbers move. Set ahead by years it removes nothing for its age, says so, and is as before when the clock is set
 * right.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { EventPage, LiveSnapshot, MetricsView } from '../../src/http/contract.ts';
import {
  createTempDir,
  expectEverythingAddsUp,
  makeEvent,
  type RunningServer,
  startServer,
  waitFor,
} from './harness.ts';

const hourMs = 3_600_000;

/** A clock that can be set, for every thread of the server: what it is set by stands in a file. */
function createClock() {
  const directory = createTempDir('clock');
  const offsetFile = join(directory, 'offset');
  const preload = join(directory, 'clock.mjs');
  const set = (byMs: number) => writeFileSync(offsetFile, String(byMs));
  set(0);
  writeFileSync(
    preload,
    `import { readFileSync } from 'node:fs';
     const now = Date.now;
     let offset = 0;
     setInterval(() => { offset = Number(readFileSync(${JSON.stringify(offsetFile)}, 'utf8')); }, 5).unref();
     Date.now = () => now() + offset;`,
  );
  return { set, env: { NODE_OPTIONS: `--import ${preload}` } };
}

/** Follows the live stream; answers the newest snapshot, or undefined before the first. */
async function follow(server: RunningServer) {
  const ended = new AbortController();
  const response = await fetch(new URL('/api/live?window=5m', server.url), { signal: ended.signal });
  let text = '';
  let newest: LiveSnapshot | undefined;
  void (async () => {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      const messages = text.split('\n\n');
      text = messages.pop()!;
      const snapshot = messages.findLast((message) => message.startsWith('event: snapshot'));
      if (snapshot !== undefined) newest = JSON.parse(snapshot.slice(snapshot.indexOf('{')));
    }
  })().catch(() => undefined);
  return { newest: () => newest, end: () => ended.abort() };
}

const metric = async (server: RunningServer, name: string) => {
  const { text } = await server.request('/metrics');
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1]);
};
const metricsOf = (server: RunningServer) => server.get<MetricsView>('/api/metrics?window=5m');
const countOf = async (server: RunningServer) => (await server.get<EventPage>('/api/events')).events.length;
const store = async (server: RunningServer, n: number) => {
  const answer = await server.send([makeEvent(n)], '/api/events?wait=stored');
  expect([answer.status, answer.body.results[0]?.status]).toEqual([200, 'stored']);
};

describe('a clock that is set', () => {
  it('back by an hour holds nothing up', async () => {
    const clock = createClock();
    const server = await startServer({ dataDir: createTempDir(), env: clock.env });
    const live = await follow(server);
    await store(server, 1);
    await waitFor('the live stream', () => live.newest()?.metrics?.all_time.total === 1);

    clock.set(-hourMs);
    await waitFor('the clock', async () => Date.parse((await metricsOf(server)).as_of) < Date.now() - hourMs / 2);
    await store(server, 2);
    await waitFor('the live stream to go on', () => live.newest()?.metrics?.all_time.total === 2, { timeoutMs: 3_000 });
    // What was received in what is now the future is in no window yet.
    await waitFor('the window to show it', async () => (await metricsOf(server)).total === 1);

    clock.set(0);
    await waitFor('the clock', async () => Date.parse((await metricsOf(server)).as_of) > Date.now() - hourMs / 2);
    await waitFor('the window as it was', async () => (await metricsOf(server)).total === 1);
    live.end();
    await expectEverythingAddsUp(server);
  });

  it('ahead by years removes nothing for a day, and says so', async () => {
    const clock = createClock();
    const env = { ...clock.env, ESP_RETENTION_DAYS: '1', ESP_MAINTENANCE_EVERY_MS: '20' };
    const server = await startServer({ dataDir: createTempDir(), env });
    for (let n = 0; n < 5; n += 1) await store(server, n);
    expect(await metric(server, 'esp_clock_ahead')).toBe(0);

    clock.set(10 * 365 * 24 * hourMs);
    await waitFor('the server to notice', async () => (await metric(server, 'esp_clock_ahead')) === 1);
    // Each is a batch, and maintenance is due behind each.
    for (let n = 5; n < 15; n += 1) await store(server, n);
    expect(await countOf(server)).toBe(15);
    expect(await metric(server, 'esp_pruned_rows_total')).toBe(0);

    clock.set(0);
    await waitFor('the server to notice', async () => (await metric(server, 'esp_clock_ahead')) === 0);
    await store(server, 15);
    expect(await countOf(server)).toBe(16);
    await waitFor('the window as it should be', async () => (await metricsOf(server)).total === 6);
    await expectEverythingAddsUp(server);
  });
});
