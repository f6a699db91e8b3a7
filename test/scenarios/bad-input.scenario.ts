/**
 * Promise: nothing that a client sends ends in a 500, a crash or a stuck server. Whatever is wrong is
 * answered with a problem document that says what and where, and nothing of it is taken.
 */
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { limits } from '../../src/domain/limits.ts';
import type { ProblemDocument } from '../../src/http/contract.ts';
import { createTempDir, type RunningServer, startServer } from './harness.ts';
import { dial, expectUnharmed, type RawRequest, requestHead } from './raw-http.ts';

interface BadRequest extends RawRequest {
  readonly what: string;
  readonly status: number;
  readonly code: string;
  /** Of the answer's text. */
  readonly says?: RegExp;
}

const mebibyte = 1024 * 1024;
const deep = 100_000;
const json = (payload: string) => `{"event_type":"a","payload":${payload}}`;
const nestedDeep = json(`{"a":${'['.repeat(deep)}${']'.repeat(deep)}}`);
const spaces = Buffer.alloc(20 * mebibyte, ' ');
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const big = (bytes: number) => json(`{"a":"${'x'.repeat(bytes)}"}`);
const lines = (count: number) => `[${new Array(count).fill(json('{}')).join(',')}]`;
const gzip = (body: string | Uint8Array) => ({ headers: { 'content-encoding': 'gzip' }, body: gzipSync(body) });

const badBodies: readonly BadRequest[] = [
  { what: 'no body', status: 400, code: 'empty_body', body: '' },
  { what: 'a blank body', status: 400, code: 'empty_body', body: ' \r\n\t ' },
  { what: 'broken JSON', status: 400, code: 'invalid_json', body: '{"event_type":"a",}', says: /line 1, column 19/ },
  {
    what: 'broken JSON further down',
    status: 400,
    code: 'invalid_json',
    body: `[\n${json('{}')},\n  {"event_type":]`,
    says: /line 3, column 17/,
  },
  {
    what: 'JSON cut short',
    status: 400,
    code: 'invalid_json',
    body: '{"event_type":"a","payload":{"b":"',
    says: /line 1/,
  },
  {
    what: 'text behind the JSON',
    status: 400,
    code: 'invalid_json',
    body: `${json('{}')} and more`,
    says: /line 1, column/,
  },
  { what: 'a number', status: 422, code: 'invalid_event', body: '42', says: /got a?\s?number/ },
  { what: 'null', status: 422, code: 'invalid_event', body: 'null' },
  { what: 'an empty list', status: 422, code: 'invalid_event', body: '[]' },
  { what: 'missing fields', status: 422, code: 'invalid_event', body: '{}', says: /"\/event_type".*"\/payload"/s },
  {
    what: 'wrong types',
    status: 422,
    code: 'invalid_event',
    body: '{"event_type":7,"payload":[],"id":{},"key":null,"occurred_at":"soon","source":""}',
    says: /(?=.*"\/event_type")(?=.*"\/payload")(?=.*"\/id")(?=.*"\/key")(?=.*"\/occurred_at")(?=.*"\/source")/s,
  },
  {
    what: 'an unknown field',
    status: 422,
    code: 'invalid_event',
    body: '{"event_type":"a","payload":{},"tags":[]}',
    says: /tags/,
  },
  { what: 'only bad events', status: 422, code: 'invalid_event', body: '[{},7]', says: /"\/0\/event_type".*"\/1"/s },
  {
    what: 'the character U+0000',
    status: 422,
    code: 'invalid_event',
    body: json('{"a":["\\u0000"]}'),
    says: /"\/payload\/a\/0"/,
  },
  {
    what: 'half a surrogate pair',
    status: 422,
    code: 'invalid_event',
    body: json('{"a":"\\udc00"}'),
    says: /"\/payload\/a"/,
  },
  {
    what: 'half a surrogate pair in a key',
    status: 422,
    code: 'invalid_event',
    body: json('{"\\ud800":1}'),
    says: /payload/,
  },
  {
    what: 'a number past 1e308',
    status: 422,
    code: 'invalid_event',
    body: json('{"a":1e400}'),
    says: /"\/payload\/a"/,
  },
  {
    what: 'a number of a million digits',
    status: 413,
    code: 'body_too_large',
    body: json(`{"a":${'9'.repeat(1_000_000)}}`),
  },
  { what: 'deep nesting', status: 422, code: 'invalid_event', body: nestedDeep, says: /64/ },
  {
    what: 'deep nesting of objects, never closed',
    status: 400,
    code: 'invalid_json',
    body: json('{"a":'.repeat(deep)),
  },
  {
    what: 'bytes that are not UTF-8',
    status: 400,
    code: 'invalid_encoding',
    body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    says: /byte 2/,
  },
  { what: 'a large event', status: 413, code: 'body_too_large', body: big(300_000), says: /262144/ },
  { what: 'too many events', status: 413, code: 'too_many_events', body: lines(limits.requestEventsMax + 1) },
  { what: '20 MB', status: 413, code: 'body_too_large', body: spaces, says: /8388608/ },
  {
    what: '20 MB in chunks',
    status: 413,
    code: 'body_too_large',
    headers: { 'content-length': null, 'transfer-encoding': 'chunked' },
    body: chunked(spaces),
  },
  { what: 'a gzip bomb', status: 413, code: 'body_too_large', ...gzip(Buffer.alloc(512 * mebibyte)) },
  {
    what: 'gzip that is none',
    status: 400,
    code: 'invalid_encoding',
    headers: { 'content-encoding': 'gzip' },
    body: json('{}'),
  },
  {
    what: 'gzip cut short',
    status: 400,
    code: 'invalid_encoding',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(big(50_000)).subarray(0, 60),
  },
  {
    what: 'another encoding',
    status: 415,
    code: 'unsupported_encoding',
    headers: { 'content-encoding': 'lzma' },
    body: json('{}'),
  },
  {
    what: 'no content type',
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-type': null },
    body: json('{}'),
    says: /application\/json/,
  },
  { what: 'another content type', status: 415, code: 'unsupported_media_type', headers: form, body: 'a=1' },
  {
    what: 'another charset',
    status: 415,
    code: 'unsupported_media_type',
    headers: { 'content-type': 'application/json; charset=latin1' },
    body: json('{}'),
  },
];

const badRequests: readonly BadRequest[] = [
  {
    what: 'a foreign host',
    status: 403,
    code: 'host_not_allowed',
    headers: { host: 'evil.example' },
    body: json('{}'),
  },
  {
    what: 'a foreign host, reading',
    status: 403,
    code: 'host_not_allowed',
    method: 'GET',
    headers: { host: 'evil.example:3000' },
  },
  { what: 'no host', status: 400, code: 'invalid_request', headers: { host: null }, body: json('{}') },
  {
    what: 'a page of another origin',
    status: 403,
    code: 'origin_not_allowed',
    headers: { origin: 'https://evil.example' },
    body: json('{}'),
  },
  { what: 'a method it does not have', status: 405, code: 'method_not_allowed', method: 'PUT', body: json('{}') },
  { what: 'an address it does not have', status: 404, code: 'not_found', method: 'GET', path: '/api/nowhere' },
  {
    what: 'an event it does not have',
    status: 404,
    code: 'event_not_found',
    method: 'GET',
    path: '/api/events/nobody',
  },
  {
    what: 'an address that is no encoding',
    status: 400,
    code: 'invalid_request',
    method: 'GET',
    path: '/api/events/%zz',
  },
  {
    what: 'a limit past the limit',
    status: 400,
    code: 'invalid_request',
    method: 'GET',
    path: '/api/events?limit=99999',
  },
  {
    what: 'a cursor of its own making',
    status: 400,
    code: 'invalid_cursor',
    method: 'GET',
    path: '/api/events?cursor=abc',
  },
  { what: 'an unknown parameter', status: 400, code: 'invalid_request', method: 'GET', path: '/api/events?colour=red' },
  {
    what: 'a long idempotency key',
    status: 400,
    code: 'invalid_request',
    headers: { 'idempotency-key': 'k'.repeat(300) },
    body: json('{}'),
  },
  {
    what: 'large headers',
    status: 431,
    code: 'headers_too_large',
    headers: { 'x-large': 'x'.repeat(20_000) },
    body: json('{}'),
  },
  {
    what: 'a length that is no number',
    status: 400,
    code: 'invalid_request',
    headers: { 'content-length': 'many' },
    body: json('{}'),
  },
  {
    what: 'a length and chunks',
    status: 400,
    code: 'invalid_request',
    headers: { 'transfer-encoding': 'chunked' },
    body: '0\r\n\r\n',
  },
  {
    what: 'chunks that are none',
    status: 400,
    code: 'invalid_request',
    headers: { 'content-length': null, 'transfer-encoding': 'chunked' },
    body: 'zz\r\n',
  },
  {
    what: 'a name in a header that is none',
    status: 400,
    code: 'invalid_request',
    headers: { 'x y': '1' },
    body: json('{}'),
  },
];

function chunked(body: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += 64 * 1024) {
    const part = body.subarray(at, at + 64 * 1024);
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

async function exchange(server: RunningServer, request: BadRequest): Promise<{ head: string; body: string }> {
  const { socket, closed, received } = dial(server);
  socket.write(requestHead(request));
  socket.write(request.body ?? '');
  await closed;
  const answer = received();
  const end = answer.indexOf('\r\n\r\n');
  return { head: answer.slice(0, end), body: answer.slice(end + 4) };
}

it('answers whatever is wrong with what and where', async () => {
  const server = await startServer({ dataDir: createTempDir('bad-input') });

  for (const request of [...badBodies, ...badRequests]) {
    const { head, body } = await exchange(server, request);
    expect(head, request.what).toMatch(new RegExp(`^HTTP/1.1 ${request.status} `));
    expect(head.toLowerCase(), request.what).toContain('content-type: application/problem+json\r\n');
    expect(head.toLowerCase(), request.what).toContain('x-request-id: ');
    const problem = JSON.parse(body) as ProblemDocument;
    expect(problem, request.what).toMatchObject({ status: request.status, code: request.code });
    expect(problem.detail.length, request.what).toBeGreaterThan(10);
    if (request.says) expect(body, request.what).toMatch(request.says);
  }
  // Of many, the good ones are taken and the bad ones told, each in its place.
  const mixed = await server.request<{ results: unknown[] }>('/api/events', {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${json('{}')}\nnot json\n\n{}\n${json('{}')}\n`,
  });
  expect(mixed).toMatchObject({ status: 202, body: { accepted: 2, rejected: 2, retry: 0 } });
  expect(mixed.body.results.map((result) => (result as { status: string }).status)).toEqual([
    'accepted',
    'rejected',
    'rejected',
    'accepted',
  ]);
  await expectUnharmed(server, 2);
  expect(peakMemoryBytes(server.pid)).toBeLessThan(600 * mebibyte);
});

/** 0 where the system does not tell. */
function peakMemoryBytes(pid: number): number {
  const path = `/proc/${pid}/status`;
  const kibibytes = existsSync(path) ? /VmHWM:\s+(\d+) kB/.exec(readFileSync(path, 'utf8'))?.[1] : undefined;
  return Number(kibibytes ?? 0) * 1024;
}
