import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../domain/limits.ts';
import { createIngest } from '../ingest/ingest.ts';
import { violations } from '../testing/conforms.ts';
import { type ControlledLog, createControlledLog } from '../testing/controlled-log.ts';
import { createHttpDependencies } from '../testing/http-dependencies.ts';
import { createAdmission, patienceMs, refusalSpreadMs, retryAfterMs } from './admission.ts';
import { createHttpApp } from './app.ts';
import { ProblemDocument } from './contract.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
}

/** A server whose log answers when the test says so, whose clock is the test's, and whose thread is never idle. */
async function setUp(random = 0) {
  let now = 0;
  const log = createControlledLog();
  const { dependencies, telemetry, state } = createHttpDependencies();
  const shed: unknown[] = [];
  telemetry.on('request.shed', (one) => shed.push(one));
  const admission = createAdmission({
    elapsed: () => now,
    idle: () => 0,
    random: () => random,
    onChange: () => undefined,
  });
  const ingest = createIngest({ log, telemetry, limits: { ingestDeadlineMs: 60_000 } });
  const app = createHttpApp({ ...dependencies, ingest, admission });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const agent = new Agent({ keepAlive: true });
  closing.push(
    () => app.close(),
    () => agent.destroy(),
  );

  async function ask(method: 'GET' | 'POST', path: string, body = '', from = agent): Promise<Answer> {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = httpRequest({ port, host: '127.0.0.1', agent: from, method, path, headers });
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += chunk;
    return { status: answer.statusCode!, headers: answer.headers, body: JSON.parse(text) };
  }
  const send = (path = '/api/events', from = agent) => ask('POST', path, '{"event_type":"a","payload":{}}', from);
  const pass = (ms: number) => {
    now += ms;
  };

  /** As many are under way as may be, and have been for long enough. */
  async function overload(): Promise<Promise<Answer>[]> {
    const taken: Promise<Answer>[] = [];
    const takeOne = async () => {
      taken.push(send());
      await vi.waitUntil(() => ingest.queue().records === taken.length, { interval: 1 });
    };
    while (taken.length < limits.requestsUnderWayMin) await takeOne();
    for (let ms = 0; ms < patienceMs; ms += 50) {
      pass(50);
      await takeOne();
    }
    pass(50);
    return taken;
  }
  return { ask, send, pass, overload, log, shed, app, state };
}

/** Two groups: the first request alone, and what has come meanwhile. */
async function answerAll(log: ControlledLog, taken: readonly Promise<Answer>[]): Promise<void> {
  for (let groups = 0; groups < 2; groups += 1) {
    await log.appendStarted();
    log.succeed();
  }
  for (const { status } of await Promise.all(taken)) expect(status).toBe(202);
}

describe('a server that is overloaded', () => {
  it('keeps nothing of what a refused client sends before its time is over', async () => {
    const { send, overload, log, app } = await setUp();
    const taken = await overload();
    const oneConnection = new Agent({ keepAlive: true, maxSockets: 1 });
    closing.push(() => oneConnection.destroy());
    expect((await send('/api/events', oneConnection)).status).toBe(503);
    const flowing: unknown[] = [];
    app.server.on('request', ({ readableFlowing }) => flowing.push(readableFlowing));
    expect((await send('/api/events', oneConnection)).status).toBe(503);
    expect(flowing).toEqual([true]);
    await answerAll(log, taken);
  });

  it('refuses what is more than it can do, loses nothing that it took, and answers whoever only asks', async () => {
    const { ask, send, pass, overload, log, shed } = await setUp();
    const taken = await overload();
    const paths = [
      '/api/events',
      '/api/events?wait=stored',
      '/api/%65vents',
      '/%61pi/events?wait=stored',
      '/api/events#a',
      'http://a/api/events',
    ];
    for (const path of paths) {
      const connection = new Agent();
      closing.push(() => connection.destroy());
      const { status, headers, body } = await send(path, connection);
      expect(status).toBe(503);
      expect(headers).toMatchObject({
        'retry-after': '1',
        'content-type': 'application/problem+json',
        'x-request-id': expect.any(String),
        'cache-control': 'no-store',
      });
      expect(body).toMatchObject({ code: 'overloaded', retriable: true });
      expect(violations(ProblemDocument, body)).toEqual([]);
    }
    expect(shed).toEqual(paths.map(() => ({ route: '/api/events' })));
    for (const path of ['/health/live', '/health/ready', '/api/ledger', '/api/metrics', '/api/events']) {
      expect((await ask('GET', path)).status, path).toBe(200);
    }

    await answerAll(log, taken);
    expect(log.appended().flat()).toHaveLength(taken.length);
    pass(retryAfterMs);
    const again = send();
    await log.appendStarted();
    log.succeed();
    expect((await again).status).toBe(202);
  });

  it('tells who is refused for the first time so at a time of its own', async () => {
    const { send, overload, log } = await setUp(0.4);
    const taken = await overload();
    const connection = new Agent();
    closing.push(() => connection.destroy());
    const sentAt = performance.now();
    expect((await send('/api/events', connection)).status).toBe(503);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(0.4 * refusalSpreadMs);
    await answerAll(log, taken);
  });

  it('lets who sends again too early wait for its answer', async () => {
    const { send, overload, log } = await setUp();
    const taken = await overload();
    const impatient = new Agent({ keepAlive: true, maxSockets: 1 });
    closing.push(() => impatient.destroy());
    expect((await send('/api/events', impatient)).status).toBe(503);
    const sentAt = performance.now();
    expect((await send('/api/events', impatient)).status).toBe(503);
    expect(performance.now() - sentAt).toBeGreaterThanOrEqual(retryAfterMs);
    await answerAll(log, taken);
  });

  it('tells every refusal at once when it stops', async () => {
    const { send, pass, overload, log, app, state } = await setUp();
    const taken = await overload();
    const connections = Array.from({ length: 20 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
    closing.push(() => connections.map((connection) => connection.destroy()));
    await Promise.all(connections.map((connection) => send('/api/events', connection)));
    // As if they had been refused for a minute to come: no test waits for that.
    pass(-60_000);
    let came = 0;
    app.server.on('request', () => {
      came += 1;
    });
    const refusals = connections.map((connection) => send('/api/events', connection));
    await vi.waitUntil(() => came === connections.length, { interval: 1 });
    state.isStopping = true;
    const closed = app.close();
    for (const { status } of await Promise.all(refusals)) expect(status).toBe(503);
    await answerAll(log, taken);
    await closed;
  });

  it('stops reading from who sends on without waiting for answers', async () => {
    const { pass, overload, log, app } = await setUp();
    const taken = await overload();
    const client = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    closing.push(() => client.destroy());
    const request = 'POST /api/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n';
    client.write(request);
    await once(client, 'data');
    pass(-60_000);
    const sockets = new Set<Socket>();
    app.server.on('request', ({ socket }) => sockets.add(socket));
    client.write(request.repeat(10_000));
    await vi.waitUntil(() => [...sockets].some((socket) => socket.isPaused()), { interval: 1 });
    client.destroy();
    await answerAll(log, taken);
  });
});
