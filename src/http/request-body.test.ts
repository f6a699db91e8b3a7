import { once } from 'node:events';
import { createServer, IncomingMessage } from 'node:http';
import { type AddressInfo, connect, Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { collectGarbage } from '../testing/collect-garbage.ts';
import { BodyRequest, createBodyReader } from './request-body.ts';

function setUp(Request: typeof IncomingMessage, bytesMax = 100, arrivingBytesMax = 1_000) {
  const readBody = createBodyReader({ bytesMax, arrivingBytesMax });
  /** A request whose body comes as the test says, and what is made of it. */
  return (length?: number) => {
    const request = new Request(new Socket());
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

describe.each([
  ['as a stream', IncomingMessage],
  ['as the parser brings it', BodyRequest],
])('a body %s', (_name, Request) => {
  test('a body is put together from its pieces', async () => {
    const start = setUp(Request);
    const { write, end, result } = start();
    for (const piece of ['ab', 'c', 'ä']) write(piece);
    end();
    expect((await result).body?.toString()).toBe('abcä');
  });

  test('of the largest size is taken, one byte more is not, with or without content-length', async () => {
    const start = setUp(Request);
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
    const start = setUp(Request);
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
    const start = setUp(Request, 100, 150);
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
    const start = setUp(Request, 100, 150);
    for (const _round of [1, 2, 3]) {
      const { write, breakOff, result } = start();
      write(Buffer.alloc(90));
      await new Promise(setImmediate);
      breakOff();
      expect((await result).code).toBe('invalid_request');
    }
  });
});

test('what has come before anybody asked is read as a stream', async () => {
  const request = new BodyRequest(new Socket());
  request.push(Buffer.from('early '));
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  createBodyReader({ bytesMax: 100, arrivingBytesMax: 100 })(request, (_problem, body) => resolve(body?.toString()));
  request.push(Buffer.from('late'));
  request.complete = true;
  request.push(null);
  expect(await promise).toBe('early late');
});

test('a body that nobody takes is read past', async () => {
  const request = new BodyRequest(new Socket());
  request.resume();
  request.push(Buffer.from('ignored'));
  request.push(null);
  await once(request, 'end');
  expect(request.readableLength).toBe(0);
});

test.each([
  ['answered when it is over', 100, 'ab'],
  ['answered before it is over', 1, `${'a'.repeat(9)} and the rest`],
])('a request whose body was %s is let go of by its connection', async (_name, bytesMax, body) => {
  for (const Request of [IncomingMessage, BodyRequest]) {
    const server = createServer({ IncomingMessage: Request as never });
    const seen: WeakRef<IncomingMessage>[] = [];
    server.on('request', (request, response) => {
      seen.push(new WeakRef(request));
      createBodyReader({ bytesMax, arrivingBytesMax: 100 })(request, () => response.end());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const head = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`;
    socket.write(head + body.slice(0, 9));
    await once(socket, 'data');
    if (body.length > 9) socket.write(body.slice(9));
    const held = () => {
      collectGarbage();
      return seen.filter((request) => request.deref() !== undefined).length;
    };
    expect(seen).toHaveLength(1);
    await expect.poll(held).toBe(0);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
    server.close();
  }
});
