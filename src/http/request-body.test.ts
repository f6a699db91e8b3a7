import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { createBodyReader } from './request-body.ts';

function setUp(bytesMax = 100, arrivingBytesMax = 1_000) {
  const readBody = createBodyReader({ bytesMax, arrivingBytesMax });
  /** A request whose body comes as the test says, and what is made of it. */
  return (length?: number) => {
    const request = new IncomingMessage(new Socket());
    if (length !== undefined) request.headers['content-length'] = String(length);
    const { promise, resolve } = Promise.withResolvers<{ readonly code: string; readonly body: Buffer | undefined }>();
    readBody(request, (problem, body) => resolve({ code: problem?.code ?? 'taken', body }));
    const write = (chunk: string | Buffer) => void request.push(Buffer.from(chunk));
    const end = (chunk?: Buffer) => {
      if (chunk) write(chunk);
      request.complete = true;
      request.push(null);
    };
    return { write, end, breakOff: () => request.destroy(new Error('reset')), result: promise };
  };
}

test('a body is put together from its pieces', async () => {
  const start = setUp();
  const { write, end, result } = start();
  for (const piece of ['ab', 'c', 'ä']) write(piece);
  end();
  expect((await result).body?.toString()).toBe('abcä');
});

test('of the largest size is taken, one byte more is not, with or without content-length', async () => {
  const start = setUp();
  for (const [size, length, code] of [
    [100, 100, 'taken'],
    [100, undefined, 'taken'],
    [101, 101, 'body_too_large'],
    [101, undefined, 'body_too_large'],
  ] as const) {
    const { end, result } = start(length);
    end(Buffer.alloc(size));
    expect((await result).code, `${size} ${length}`).toBe(code);
  }
});

test('a refused body is read on for a while, so that its client hears the answer, but not for ever', async () => {
  const start = setUp();
  const { write, result } = start();
  let isAnswered = false;
  void result.then(() => {
    isAnswered = true;
  });
  write(Buffer.alloc(700));
  await new Promise(setImmediate);
  expect(isAnswered).toBe(false);
  write(Buffer.alloc(101));
  expect((await result).code).toBe('body_too_large');
});

test('all that arrive together share one bound, and what has arrived makes room', async () => {
  const start = setUp(100, 150);
  const first = start();
  first.write(Buffer.alloc(90));
  await new Promise(setImmediate);
  const second = start();
  second.end(Buffer.alloc(90));
  expect((await second.result).code).toBe('queue_full');
  first.end();
  expect((await first.result).code).toBe('taken');
  const third = start();
  third.end(Buffer.alloc(90));
  expect((await third.result).code).toBe('taken');
});

test('a connection that breaks gives its room back', async () => {
  const start = setUp(100, 150);
  for (const _round of [1, 2, 3]) {
    const { write, breakOff, result } = start();
    write(Buffer.alloc(90));
    await new Promise(setImmediate);
    breakOff();
    expect((await result).code).toBe('invalid_request');
  }
});
