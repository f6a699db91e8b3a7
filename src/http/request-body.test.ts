import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import type { ProblemError } from './problems.ts';
import { createBodyReader } from './request-body.ts';

const headers = (length?: number) =>
  ({ headers: length === undefined ? {} : { 'content-length': String(length) } }) as IncomingMessage;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'taken',
    (error: ProblemError) => error.code,
  );

function setUp(bytesMax = 100, arrivingBytesMax = 1_000) {
  const readBody = createBodyReader({ bytesMax, arrivingBytesMax });
  return (length?: number) => {
    const payload = new PassThrough();
    return { payload, body: readBody(headers(length), payload) };
  };
}

test('a body is put together from its pieces', async () => {
  const start = setUp();
  const { payload, body } = start();
  for (const piece of ['ab', 'c', 'ä']) payload.write(piece);
  payload.end();
  expect((await body).toString()).toBe('abcä');
});

test('of the largest size is taken, one byte more is not, with or without content-length', async () => {
  const start = setUp();
  for (const [size, length, code] of [
    [100, 100, 'taken'],
    [100, undefined, 'taken'],
    [101, 101, 'body_too_large'],
    [101, undefined, 'body_too_large'],
  ] as const) {
    const { payload, body } = start(length);
    payload.end(Buffer.alloc(size));
    expect(await codeOf(body), `${size} ${length}`).toBe(code);
  }
});

test('a refused body is read on for a while, so that its client hears the answer, but not for ever', async () => {
  const start = setUp();
  const { payload, body } = start();
  let isAnswered = false;
  const code = codeOf(body).finally(() => {
    isAnswered = true;
  });
  payload.write(Buffer.alloc(700));
  await new Promise(setImmediate);
  expect(isAnswered).toBe(false);
  payload.write(Buffer.alloc(101));
  expect(await code).toBe('body_too_large');
});

test('all that arrive together share one bound, and what has arrived makes room', async () => {
  const start = setUp(100, 150);
  const first = start();
  first.payload.write(Buffer.alloc(90));
  await new Promise(setImmediate);
  const second = start();
  second.payload.end(Buffer.alloc(90));
  expect(await codeOf(second.body)).toBe('queue_full');
  first.payload.end();
  expect(await codeOf(first.body)).toBe('taken');
  const third = start();
  third.payload.end(Buffer.alloc(90));
  expect(await codeOf(third.body)).toBe('taken');
});

test('a connection that breaks gives its room back', async () => {
  const start = setUp(100, 150);
  for (const _round of [1, 2, 3]) {
    const { payload, body } = start();
    payload.write(Buffer.alloc(90));
    await new Promise(setImmediate);
    payload.destroy(new Error('reset'));
    expect(await codeOf(body)).toBe('invalid_request');
  }
});
