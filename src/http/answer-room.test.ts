import { EventEmitter, once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyReply } from 'fastify';
import { expect, test } from 'vitest';
import { limits } from '../domain/limits.ts';
import { createHttpDependencies } from '../testing/http-dependencies.ts';
import { createAnswerRoom } from './answer-room.ts';
import { createHttpApp } from './app.ts';

function connection() {
  const socket = Object.assign(new EventEmitter(), { destroyed: false });
  return {
    socket,
    close() {
      socket.destroyed = true;
      socket.emit('close');
    },
    reply() {
      const raw = Object.assign(new EventEmitter(), { destroyed: false });
      return { raw, reply: { raw, request: { raw: { socket } } } as unknown as FastifyReply };
    },
  };
}

const ten = async () => 'x'.repeat(10);
const isFull = { code: 'too_many_answers' };

test('answers are held until they have been sent', async () => {
  const room = createAnswerRoom({ heldMax: 20, readingMax: 2 });
  const client = connection();
  const first = client.reply();
  await room.answer(first.reply, ten);
  await room.answer(client.reply().reply, ten);
  await expect(room.answer(connection().reply().reply, ten)).rejects.toMatchObject(isFull);
  first.raw.emit('finish');
  first.raw.emit('close');
  await room.answer(client.reply().reply, ten);
  await expect(room.answer(client.reply().reply, ten)).rejects.toMatchObject(isFull);
});

test('a connection that ends lets go of all that waited for it, also of what had not begun to be sent', async () => {
  const room = createAnswerRoom({ heldMax: 20, readingMax: 2 });
  const client = connection();
  for (let n = 0; n < 2; n += 1) await room.answer(client.reply().reply, ten);
  client.close();
  for (let n = 0; n < 2; n += 1) await room.answer(connection().reply().reply, ten);
  await expect(room.answer(connection().reply().reply, ten)).rejects.toMatchObject(isFull);
});

test('some are read at a time, the others in their turn, and none for a client that has left', async () => {
  const room = createAnswerRoom({ heldMax: 1_000, readingMax: 2 });
  const client = connection();
  const gone = connection();
  const reads: (() => void)[] = [];
  const slow = () => new Promise<string>((resolve) => reads.push(() => resolve('read')));
  const answers = [client, client, gone, client].map((each) => room.answer(each.reply().reply, slow));
  expect(reads).toHaveLength(2);
  gone.close();
  reads[0]!();
  await expect(answers[2]).resolves.toBe('');
  expect(reads).toHaveLength(3);
  for (const read of reads) read();
  await expect(answers[3]).resolves.toBe('read');
});

test('what is asked for many times in one packet is answered or refused, and nothing is held afterwards', async () => {
  const { dependencies } = createHttpDependencies();
  const app = createHttpApp(dependencies, { ...limits, answersHeldCharactersMax: 1 });
  await app.listen({ host: '127.0.0.1', port: 0 });
  try {
    const { port } = app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk;
    });
    const ask = 'GET /api/events HTTP/1.1\r\nhost: localhost\r\n';
    socket.write(`${`${ask}\r\n`.repeat(5)}${ask}connection: close\r\n\r\n`);
    await once(socket, 'close');
    expect(received.match(/HTTP\/1\.1 (200|503)/g)).toHaveLength(6);
    expect((await app.inject({ url: '/api/events', headers: { host: 'localhost' } })).statusCode).toBe(200);
  } finally {
    await app.close();
  }
});
