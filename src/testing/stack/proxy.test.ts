import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { startProxy } from './proxy.ts';
import { waitUntil } from './wait-until.ts';

/** Answers every line with itself in capitals. */
async function startShouter(port: number) {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    socket.on('data', (text) => void socket.write(String(text).toUpperCase()));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  async function close(): Promise<void> {
    for (const socket of sockets) socket.resetAndDestroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  }
  onTestFinished(close);
  return { connections: () => sockets.size, close };
}

async function setUp() {
  const targetPort = await freePort();
  const shouter = await startShouter(targetPort);
  const proxy = await startProxy({ targetPort });
  onTestFinished(() => proxy.close());
  return { proxy, shouter, targetPort };
}

/** What a client has heard and what became of it. */
async function connectTo(port: number) {
  const socket = connect(port, '127.0.0.1');
  const client = { socket, heard: '', ended: false, failure: null as string | null };
  socket.on('data', (text) => {
    client.heard += text;
  });
  socket.on('end', () => {
    client.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.failure = error.code ?? error.message;
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return client;
}

const heard = (client: { readonly heard: string }, text: string) =>
  waitUntil(`the client to hear ${text}, not ${client.heard}`, () => client.heard === text);

describe('proxy', () => {
  it('hands on what both sides say, and their ends', async () => {
    const { proxy, shouter } = await setUp();
    const client = await connectTo(proxy.port);
    client.socket.write('hello');
    await heard(client, 'HELLO');
    expect(proxy.connections()).toBe(1);

    client.socket.end();
    await waitUntil('the end to come round', () => client.ended);
    await waitUntil('both connections to be gone', () => proxy.connections() === 0 && shouter.connections() === 0);
  });

  it('hands on many megabytes unharmed', async () => {
    const { proxy } = await setUp();
    const client = await connectTo(proxy.port);
    const sent = 'abcdefgh'.repeat(1_000_000);
    client.socket.write(sent);
    await waitUntil('everything to come back', () => client.heard.length === sent.length);
    expect(client.heard === sent.toUpperCase()).toBe(true);
  });

  it('a hole is silent both ways, and heals without loss', async () => {
    const { proxy, shouter, targetPort } = await setUp();
    const client = await connectTo(proxy.port);
    client.socket.write('one ');
    await heard(client, 'ONE ');

    proxy.hole();
    client.socket.write('two ');
    const late = await connectTo(proxy.port);
    late.socket.write('late');
    // Another way in shows that the server is well, and that by now it would have answered.
    const direct = await connectTo(targetPort);
    direct.socket.write('direct');
    await heard(direct, 'DIRECT');
    expect(client).toMatchObject({ heard: 'ONE ', ended: false, failure: null });
    expect(late).toMatchObject({ heard: '', ended: false, failure: null });
    expect(shouter.connections()).toBe(2);

    proxy.heal();
    await heard(client, 'ONE TWO ');
    await heard(late, 'LATE');
    expect(client.failure).toBeNull();
  });

  it('in a hole nobody learns that the other side has gone', async () => {
    const { proxy, shouter } = await setUp();
    const client = await connectTo(proxy.port);
    client.socket.write('hello');
    await heard(client, 'HELLO');

    proxy.hole();
    await shouter.close();
    client.socket.write('is anybody there?');
    await waitUntil('the server to have gone', () => shouter.connections() === 0);
    expect(client).toMatchObject({ ended: false, failure: null });

    proxy.heal();
    await waitUntil('the client to be reset', () => client.failure === 'ECONNRESET');
  });

  it('cut resets what is open and takes what is new', async () => {
    const { proxy, shouter } = await setUp();
    const client = await connectTo(proxy.port);
    client.socket.write('hello');
    await heard(client, 'HELLO');

    proxy.cut();
    await waitUntil('the client to be reset', () => client.failure === 'ECONNRESET');
    await waitUntil('the server to have lost it', () => shouter.connections() === 0);

    const next = await connectTo(proxy.port);
    next.socket.write('again');
    await heard(next, 'AGAIN');
  });

  it('refuse turns new connections away, keeps the open ones, and accept takes them again', async () => {
    const { proxy } = await setUp();
    const client = await connectTo(proxy.port);
    proxy.refuse();
    await expect(connectTo(proxy.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    client.socket.write('still here');
    await heard(client, 'STILL HERE');

    await proxy.accept();
    const next = await connectTo(proxy.port);
    next.socket.write('welcome');
    await heard(next, 'WELCOME');
  });

  it('resets whoever connects while the server is not there', async () => {
    const { proxy, shouter } = await setUp();
    await shouter.close();
    const client = await connectTo(proxy.port);
    await waitUntil('the client to be reset', () => client.failure === 'ECONNRESET');
    expect(proxy.connections()).toBe(0);
  });
});
