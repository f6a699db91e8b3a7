import { afterEach, describe, expect, it } from 'vitest';
import { UnavailableError } from '../domain/failure.ts';
import { violations } from '../testing/conforms.ts';
import { createHttpDependencies } from '../testing/http-dependencies.ts';
import { createHttpApp } from './app.ts';
import { ProblemDocument, ReadinessView } from './contract.ts';
import type { HttpDependencies } from './dependencies.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

function setUp(overrides: Partial<HttpDependencies> = {}) {
  const made = createHttpDependencies(overrides);
  const app = createHttpApp(made.dependencies);
  open.push(app);
  return { app, ...made };
}

describe('every answer', () => {
  it('has a request id of its own', async () => {
    const { app } = setUp();
    const [first, second] = [await app.inject('/health/live'), await app.inject('/health/live')];
    expect(first.headers['x-request-id']).toMatch(/^[\w-]{5,40}$/);
    expect(second.headers['x-request-id']).not.toBe(first.headers['x-request-id']);
  });

  it.each([
    ['takes over a sane request id', 'trace/1.a:b', true],
    ['makes one where the client’s has other characters', 'a b', false],
    ['makes one where the client’s is too long', 'a'.repeat(129), false],
  ])('%s', async (_name, given, kept) => {
    const { app } = setUp();
    const answer = await app.inject({ url: '/nowhere', headers: { 'x-request-id': given } });
    expect(answer.headers['x-request-id'] === given).toBe(kept);
  });

  it('forbids sniffing, embedding and keeping', async () => {
    const { app } = setUp();
    for (const url of ['/health/live', '/nowhere', '/api/events?limit=x', '/%zz']) {
      const { headers } = await app.inject(url);
      expect(headers, url).toMatchObject({
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        'cache-control': 'no-store',
      });
      expect(headers['x-request-id'], url).toBeTruthy();
    }
  });

  it('is announced with its route, not its address', async () => {
    const { app, telemetry } = setUp();
    const seen: unknown[] = [];
    telemetry.on('request.completed', (request) => seen.push(request));
    await app.inject('/api/events/some-id');
    await app.inject('/nowhere/at/all');
    expect(seen).toEqual([
      { method: 'GET', route: '/api/events/:id', status: 404, durationMs: expect.any(Number) },
      { method: 'GET', route: '(unknown)', status: 404, durationMs: expect.any(Number) },
    ]);
  });
});

describe('every error is a problem document', () => {
  it.each([
    ['an unknown address', { url: '/nowhere' }, 404, 'not_found'],
    ['a broken percent-encoding', { url: '/api/events/%zz' }, 400, 'invalid_request'],
    ['a part of the address that is too long', { url: `/api/events/${'x'.repeat(600)}` }, 400, 'invalid_request'],
    ['an id that is too long', { url: `/api/events/${'x'.repeat(400)}` }, 400, 'invalid_request'],
    ['another method', { url: '/api/ledger', method: 'DELETE' }, 405, 'method_not_allowed'],
    [
      'another content type',
      { url: '/api/failed-events/redrive', method: 'POST', payload: 'a=1', headers: { 'content-type': 'text/plain' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a content type that is none',
      { url: '/api/failed-events/redrive', method: 'POST', payload: 'a=1', headers: { 'content-type': 'x' } },
      415,
      'unsupported_media_type',
    ],
    [
      'a body that is too large',
      {
        url: '/api/failed-events/redrive',
        method: 'POST',
        payload: `"${'x'.repeat(8 * 1024 * 1024)}"`,
        headers: { 'content-type': 'application/json' },
      },
      413,
      'body_too_large',
    ],
    [
      'a body that is not JSON',
      {
        url: '/api/failed-events/redrive',
        method: 'POST',
        payload: '{',
        headers: { 'content-type': 'application/json' },
      },
      400,
      'invalid_json',
    ],
    [
      'no body',
      { url: '/api/failed-events/redrive', method: 'POST', headers: { 'content-type': 'application/json' } },
      400,
      'empty_body',
    ],
    [
      'a body that is not UTF-8',
      {
        url: '/api/failed-events/redrive',
        method: 'POST',
        payload: Buffer.from([0x22, 0xff, 0x22]),
        headers: { 'content-type': 'application/json' },
      },
      400,
      'invalid_encoding',
    ],
  ] as const)('%s', async (_name, request, status, code) => {
    const { app } = setUp();
    const answer = await app.inject(request);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(violations(ProblemDocument, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({ status, code });
  });

  it.each([
    [new UnavailableError('store_busy', 'locked'), 'store_unavailable'],
    [new UnavailableError('disk_full', 'no space'), 'disk_full'],
    [new UnavailableError('log_timeout', 'no answer'), 'log_unavailable'],
    [new UnavailableError('assignment_ended', 'somebody else has it'), 'log_unavailable'],
    [new UnavailableError('failed_topic_unavailable', 'no answer'), 'log_unavailable'],
    [new UnavailableError('metrics_unavailable', 'no answer'), 'metrics_unavailable'],
    [new UnavailableError('thread_gone', 'the other thread has ended'), 'store_unavailable'],
  ])('%s', async (error, code) => {
    const { app } = setUp();
    const broken = setUp({
      operations: { ...createHttpDependencies().dependencies.operations, ledger: () => Promise.reject(error) },
    });
    const answer = await broken.app.inject('/api/ledger');
    expect(answer.statusCode).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.json()).toMatchObject({ code, retriable: true, detail: error.message });
    await app.ready();
  });

  it('tells nothing of a bug but the request id, and announces it whole', async () => {
    const operations = {
      ...createHttpDependencies().dependencies.operations,
      ledger: () => Promise.reject(new Error('secret')),
    };
    const { app, telemetry } = setUp({ operations });
    const failures: unknown[] = [];
    telemetry.on('request.failed', (failure) => failures.push(failure));
    const answer = await app.inject('/api/ledger');
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret');
    expect(failures).toEqual([
      {
        requestId: answer.headers['x-request-id'],
        method: 'GET',
        route: '/api/ledger',
        error: expect.stringContaining('secret'),
      },
    ]);
  });
});

describe('an unknown address', () => {
  it.each([
    ['/events', '/api/events'],
    ['/api/event', '/api/events'],
    ['/api/failed-event', '/api/failed-events'],
    ['/API/Ledger', '/api/ledger'],
  ])('%s hints at %s', async (url, hint) => {
    const { app } = setUp();
    expect((await app.inject(url)).json().detail).toContain(`Did you mean ${hint}?`);
  });

  it('hints at nothing where nothing is near', async () => {
    const { app } = setUp();
    for (const url of ['/wp-admin/setup-config.php', '/foo']) {
      expect((await app.inject(url)).json().detail).not.toContain('Did you mean');
    }
  });

  it('names the methods that an address takes', async () => {
    const { app } = setUp();
    const answer = await app.inject({ url: '/api/failed-events/store:1:0:1/discard', method: 'GET' });
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe('POST');
    expect((await app.inject({ url: '/api/ledger', method: 'POST' })).headers.allow).toBe('GET, HEAD');
  });
});

describe('the Host header', () => {
  it.each([
    ...[
      'localhost',
      'LOCALHOST:3000',
      'localhost.',
      '127.0.0.1:80',
      '[::1]',
      '[::1]:3000',
      'esp.example',
      'ESP.example:80',
    ],
    // Nobody is misled to an address by a name.
    ...['192.0.2.7:3000', '[2001:db8::7]:3000'],
  ])('%s is let in', async (host) => {
    const { app } = setUp();
    expect((await app.inject({ url: '/health/live', headers: { host } })).statusCode).toBe(200);
  });

  it.each([
    'evil.example',
    'localhost.evil.example',
    'localhost:3000:1',
    'user@localhost',
    '::1',
    '127.1',
    '0x7f000001',
    '127.0.0.1.evil.example',
    'localhost/x',
  ])('%s is refused', async (host) => {
    const { app } = setUp();
    const answer = await app.inject({ url: '/health/live', headers: { host } });
    expect(answer.statusCode).toBe(403);
    expect(answer.json().code).toBe('host_not_allowed');
  });

  it('is refused at addresses that do not exist, too', async () => {
    const { app } = setUp();
    expect((await app.inject({ url: '/nowhere', headers: { host: 'evil.example' } })).statusCode).toBe(403);
  });

  it.each([
    ['GET', 'http://evil.example', 200],
    ['POST', 'http://evil.example', 403],
    ['POST', 'null', 403],
    ['POST', 'http://localhost:3000', 200],
    ['POST', 'HTTP://LOCALHOST.:3000', 200],
    // What else runs on this machine: another port, another scheme, another name of the same address.
    ['POST', 'http://localhost:8080', 403],
    ['POST', 'http://localhost', 403],
    ['POST', 'https://localhost:3000', 403],
    ['POST', 'http://127.0.0.1:3000', 403],
    ['POST', 'http://localhost:3000/', 403],
    ['POST', 'http://user@localhost:3000', 403],
    // Configured.
    ['POST', 'http://localhost:5173', 200],
    ['POST', 'https://events.example', 200],
    ['POST', 'https://events.example:443', 200],
    ['POST', 'http://events.example', 403],
  ] as const)('%s from a page of %s: %i', async (method, origin, status) => {
    const { app } = setUp();
    const url = method === 'GET' ? '/api/ledger' : '/api/verify';
    const answer = await app.inject({ method, url, headers: { host: 'localhost:3000', origin } });
    expect(answer.statusCode).toBe(status);
    if (status === 403) expect(answer.json().code).toBe('origin_not_allowed');
  });

  it('lets a page in that the browser vouches for, whatever a proxy has made of scheme and name', async () => {
    const { app } = setUp();
    const ask = async (site: string) => {
      const headers = { host: 'localhost:3000', origin: 'https://proxy.example', 'sec-fetch-site': site };
      return (await app.inject({ method: 'POST', url: '/api/verify', headers })).statusCode;
    };
    expect(await ask('same-origin')).toBe(200);
    for (const site of ['same-site', 'cross-site', 'none', 'same-origin, cross-site'])
      expect(await ask(site)).toBe(403);
  });

  it.each([
    ['localhost', 'http://localhost', 200],
    ['localhost:80', 'http://localhost', 200],
    ['localhost', 'http://localhost:80', 200],
    ['[::1]:3000', 'http://[::1]:3000', 200],
    ['localhost', 'https://localhost', 403],
  ] as const)('%s, asked by a page of %s: %i', async (host, origin, status) => {
    const { app } = setUp();
    expect((await app.inject({ method: 'POST', url: '/api/verify', headers: { host, origin } })).statusCode).toBe(
      status,
    );
  });
});

describe('health', () => {
  it('is live with its version', async () => {
    const { app } = setUp();
    expect((await app.inject('/health/live')).json()).toEqual({ status: 'ok', version: '1.2.3' });
  });

  it('is ready or says why it is not', async () => {
    const { app, state } = setUp();
    const ready = await app.inject('/health/ready');
    expect([ready.statusCode, ready.json()]).toEqual([200, { ready: true, reasons: [] }]);
    state.ready = { ready: false, reasons: [{ code: 'worker_down', message: 'The worker is being started again.' }] };
    const notReady = await app.inject('/health/ready');
    expect(notReady.statusCode).toBe(503);
    expect(violations(ReadinessView, notReady.json())).toEqual([]);
    expect(notReady.json()).toEqual(state.ready);
  });

  it('exposes metrics as Prometheus takes them', async () => {
    const { app } = setUp();
    const answer = await app.inject('/metrics');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(answer.body).toBe('esp_up 1\n');
  });
});
