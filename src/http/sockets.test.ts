import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { createIngest } from '../ingest/ingest.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import { createControlledLog } from '../testing/controlled-log.ts';
import { createHttpDependencies } from '../testing/http-dependencies.ts';
import { createHttpApp } from './app.ts';
import type { HttpLimits } from './bare-app.ts';
import type { HttpDependencies } from './dependencies.ts';

const telemetry = createTelemetry();
const event = '{"event_type":"a","payload":{}}';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function listen(httpLimits: Partial<HttpLimits> = {}, overrides: Partial<HttpDependencies> = {}) {
  const { dependencies, state } = createHttpDependencies(overrides);
  const app = createHttpApp(dependencies, { ...limits, connectionsCheckMs: 20, ...httpLimits });
  await app.listen({ host: '127.0.0.1', port: 0 });
  closing.push(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  return { app, port, state, dependencies };
}

/** A connection of which everything that came is kept as text. */
function dial(port: number) {
  const socket: Socket = connect(port, '127.0.0.1');
  closing.push(() => socket.destroy());
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
  });
  socket.on('error', () => undefined);
  return {
    socket,
    received: () => received,
    send: (text: string) => socket.write(text),
    /** Everything up to the end of the connection. */
    async ended() {
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
      return received;
    },
    async until(text: string) {
      while (!received.includes(text)) await once(socket, 'data');
      return received;
    },
  };
}

function problemIn(answer: string) {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { head, ...(JSON.parse(body) as { code: string; status: number }) };
}

describe('what breaks before there is a request', () => {
  it.each([
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'invalid_request'],
    [
      'two lengths',
      'POST /api/verify HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      400,
      'invalid_request',
    ],
    [
      'headers past their limit',
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'a chunk that has no length',
      'POST /api/verify HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      400,
      'invalid_request',
    ],
  ])('%s is answered as a problem and the connection closed', async (_name, bytes, status, code) => {
    const { port } = await listen();
    const client = dial(port);
    client.send(bytes);
    const problem = problemIn(await client.ended());
    expect(problem).toMatchObject({ status, code });
    expect(problem.head).toContain(`HTTP/1.1 ${status} `);
    expect(problem.head).toContain('content-type: application/problem+json');
    expect(problem.head).toMatch(/x-request-id: \S+/);
    expect(problem.head).toContain('connection: close');
  });

  it('says nothing where an earlier request on the connection still waits for its answer', async () => {
    const answer = Promise.withResolvers<number>();
    const asked = Promise.withResolvers<void>();
    const operations = {
      ...createHttpDependencies().dependencies.operations,
      rebuildMetrics: () => {
        asked.resolve();
        return answer.promise;
      },
    };
    const { port } = await listen({}, { operations });
    const client = dial(port);
    client.send('POST /api/metrics/rebuild HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await asked.promise;
    client.send('\0\0 this is no request\r\n\r\n');
    expect(await client.ended()).toBe('');
    answer.resolve(1);
  });
});

describe('the Host of a raw request', () => {
  it.each([
    ['none', 'GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n', 'invalid_request'],
    ['an empty one', 'GET /health/live HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n', 'host_not_allowed'],
    [
      'a foreign one',
      'GET /health/live HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n',
      'host_not_allowed',
    ],
    [
      'a foreign absolute target',
      'GET http://evil.example/health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      'host_not_allowed',
    ],
    [
      'a foreign host beside a known target',
      'GET http://localhost/health/live HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n',
      'host_not_allowed',
    ],
    [
      'a second one',
      'GET /health/live HTTP/1.1\r\nhost: localhost\r\nHost: evil.example\r\nconnection: close\r\n\r\n',
      'invalid_request',
    ],
    [
      'the same one twice',
      'GET /health/live HTTP/1.1\r\nhost: localhost\r\nHOST: localhost\r\nconnection: close\r\n\r\n',
      'invalid_request',
    ],
    [
      'a target of another kind',
      'GET ftp://localhost/health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      'invalid_request',
    ],
  ])('%s is refused', async (_name, bytes, code) => {
    const { port } = await listen();
    const client = dial(port);
    client.send(bytes);
    expect(problemIn(await client.ended()).code).toBe(code);
  });

  // The fastest way through has the same guard.
  it.each([
    ['POST /api/events HTTP/1.1\r\nhost: localhost\r\nhost: evil.example', 'invalid_request'],
    ['POST http://evil.example/api/events HTTP/1.1\r\nhost: localhost', 'host_not_allowed'],
    ['POST /api/events HTTP/1.1', 'invalid_request'],
    ['POST /api/events HTTP/1.1\r\nhost: localhost:3000\r\norigin: http://localhost:8080', 'origin_not_allowed'],
    // It came to the target, not to what Host says.
    [
      'POST http://localhost:3000/api/events HTTP/1.1\r\nhost: localhost:8080\r\norigin: http://localhost:8080',
      'origin_not_allowed',
    ],
  ])('%s: no event is taken', async (head, code) => {
    let submitted = 0;
    const { port } = await listen(
      {},
      {
        ingest: {
          submit: () => {
            submitted += 1;
            return Promise.reject(new Error('nothing is to be taken'));
          },
          queue: () => ({ records: 0, bytes: 0 }),
          drain: async () => undefined,
        },
      },
    );
    const client = dial(port);
    const event = '{"event_type":"a","payload":{}}';
    client.send(
      `${head}\r\ncontent-type: application/json\r\ncontent-length: ${event.length}\r\nconnection: close\r\n\r\n${event}`,
    );
    expect(problemIn(await client.ended()).code).toBe(code);
    expect(submitted).toBe(0);
  });

  it('may stand in an absolute target', async () => {
    const { port } = await listen();
    const client = dial(port);
    client.send('GET http://localhost:3000/health/live HTTP/1.1\r\nhost: localhost:3000\r\nconnection: close\r\n\r\n');
    expect(await client.ended()).toContain('HTTP/1.1 200 OK');
  });
});

describe('a slow client', () => {
  it('that stops within its headers is cut off with 408', async () => {
    const { port } = await listen({ headersTimeoutMs: 60, requestTimeoutMs: 120 });
    const client = dial(port);
    client.send('GET /health/live HTTP/1.1\r\nhost: loc');
    expect(problemIn(await client.ended())).toMatchObject({ code: 'request_timeout', status: 408 });
  });

  it('that stops within its body is cut off with 408, and nothing of it is done', async () => {
    const { port, state } = await listen({ headersTimeoutMs: 60, requestTimeoutMs: 120 });
    const client = dial(port);
    client.send(
      'POST /api/failed-events/redrive HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 20\r\n\r\n{"filter"',
    );
    expect(problemIn(await client.ended())).toMatchObject({ code: 'request_timeout', status: 408 });
    expect(state.redrives).toEqual([]);
  });

  it('that sends a byte now and then is cut off all the same', async () => {
    const { port } = await listen({ headersTimeoutMs: 60, requestTimeoutMs: 120 });
    const client = dial(port);
    client.send(
      'POST /api/failed-events/redrive HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2000\r\n\r\n',
    );
    const drip = setInterval(() => client.send(' '), 10);
    closing.push(() => clearInterval(drip));
    expect(await client.ended()).toContain('"request_timeout"');
  });

  it('among a thousand that say nothing keeps nobody waiting', async () => {
    const { port } = await listen({ headersTimeoutMs: 60_000, requestTimeoutMs: 60_000 });
    const idle = Array.from({ length: 1_000 }, () => dial(port).socket);
    await Promise.all(idle.map((socket) => (socket.connecting ? once(socket, 'connect') : null)));
    const client = dial(port);
    client.send('GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    expect(await client.ended()).toContain('200 OK');
  });
});

describe('before it closes', () => {
  it('a server that is to stop serves as ever, and ends each connection with its next answer', async () => {
    const { port, state } = await listen(
      {},
      { ingest: createIngest({ log: createControlledLog({ isOpen: true }), telemetry }) },
    );
    const [reading, sending] = [dial(port), dial(port)];
    const requests = {
      reading: 'GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n',
      sending: `POST /api/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${event.length}\r\n\r\n${event}`,
    };
    reading.send(requests.reading);
    sending.send(requests.sending);
    expect(await reading.until('"ok"')).toContain('Connection: keep-alive');
    expect(await sending.until('"accepted"')).toContain('Connection: keep-alive');
    state.isStopping = true;
    reading.send(requests.reading);
    sending.send(requests.sending);
    expect((await reading.ended()).split('HTTP/1.1 ').at(-1)).toMatch(/^200 OK.*Connection: close/s);
    expect((await sending.ended()).split('HTTP/1.1 ').at(-1)).toMatch(/^202 Accepted.*Connection: close/s);
  });
});

describe('closing', () => {
  it('lets a request under way finish, and does not wait for idle connections', async () => {
    const answer = Promise.withResolvers<number>();
    const asked = Promise.withResolvers<void>();
    const operations = {
      ...createHttpDependencies().dependencies.operations,
      rebuildMetrics: () => {
        asked.resolve();
        return answer.promise;
      },
    };
    const { app, port } = await listen({}, { operations });
    const agent = new Agent({ keepAlive: true });
    closing.push(() => agent.destroy());
    const request = httpRequest({ agent, port, host: '127.0.0.1', method: 'POST', path: '/api/metrics/rebuild' }).end();
    const answered = once(request, 'response');
    await asked.promise;
    const idle = dial(port);
    await once(idle.socket, 'connect');
    const closed = app.close();
    answer.resolve(8);
    const [response] = await answered;
    expect(response.statusCode).toBe(200);
    response.resume();
    await closed;
    expect(await idle.ended()).toBe('');
  });

  it('cuts off who is stuck half way through a request', async () => {
    const { app, port } = await listen({ requestsFinishMs: 50 });
    const stuck = dial(port);
    const arrived = once(app.server, 'request');
    stuck.send(
      'POST /api/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    );
    await arrived;
    await app.close();
    expect(await stuck.ended()).toBe('');
  });

  it('answers 503 to what comes on a connection that is still at work', async () => {
    const answer = Promise.withResolvers<number>();
    const asked = Promise.withResolvers<void>();
    const operations = {
      ...createHttpDependencies().dependencies.operations,
      rebuildMetrics: () => {
        asked.resolve();
        return answer.promise;
      },
    };
    const { app, port } = await listen({}, { operations });
    const client = dial(port);
    client.send('POST /api/metrics/rebuild HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await asked.promise;
    const closed = app.close();
    const arrived = once(app.server, 'request');
    client.send('GET /api/ledger HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await arrived;
    answer.resolve(8);
    const both = await client.ended();
    expect(both).toContain('{"partitions":8}');
    expect(both).toContain('"shutting_down"');
    await closed;
  });
});
