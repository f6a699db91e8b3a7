import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createIngest } from '../ingest/ingest.ts';
import { createControlledLog } from '../testing/controlled-log.ts';
import { createHttpDependencies } from '../testing/http-dependencies.ts';
import { createHttpApp } from './app.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server whose log answers when the test says so, and one connection to it. */
async function setUp() {
  const log = createControlledLog();
  const { dependencies, telemetry, state } = createHttpDependencies();
  const ingest = createIngest({ log, telemetry });
  const app = createHttpApp({ ...dependencies, ingest });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  client.setEncoding('utf8').on('data', (text) => {
    received += text;
  });
  closing.push(
    () => app.close(),
    () => client.destroy(),
  );
  const send = (...names: string[]) => client.write(names.map(postOf).join(''));
  const answers = () => received.split(/(?=HTTP\/1\.1 )/).filter((text) => text !== '');
  return { app, log, state, ingest, client, send, answers };
}

function postOf(name: string): string {
  const body = JSON.stringify({ event_type: name, payload: {} });
  const head = ['POST /api/events HTTP/1.1', 'host: 127.0.0.1', 'content-type: application/json'];
  return [...head, `content-length: ${body.length}`, '', body].join('\r\n');
}

describe('while the process stops', () => {
  it('takes one more request of a connection, and nothing of what was sent behind it', async () => {
    const { log, state, client, send, answers } = await setUp();
    state.isStopping = true;
    send('a', 'b', 'c');
    await log.appendStarted();
    log.succeed();
    await once(client, 'end');
    expect(answers()).toEqual([expect.stringMatching(/^HTTP\/1\.1 202 .*\r\nconnection: close\r\n/is)]);
    expect(log.appended().flat()).toHaveLength(1);
  });

  it('answers what had come before', async () => {
    const { log, state, ingest, client, send, answers } = await setUp();
    send('a', 'b');
    await log.appendStarted();
    await vi.waitUntil(() => ingest.queue().records === 2, { interval: 1 });
    state.isStopping = true;
    send('c', 'd');
    await vi.waitUntil(() => ingest.queue().records === 3, { interval: 1 });
    const ended = once(client, 'end');
    log.succeed();
    while (log.appended().flat().length < 3) {
      await log.appendStarted();
      log.succeed();
    }
    await ended;
    expect(answers().map((answer) => /^HTTP\/1\.1 (\d+)/.exec(answer)![1])).toEqual(['202', '202', '202']);
    expect(log.appended().flat()).toHaveLength(3);
  });
});
