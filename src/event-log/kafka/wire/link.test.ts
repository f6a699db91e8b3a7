import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encode, int32 } from '../protocol/codec.ts';
import { apiVersions, saslAuthenticate, saslHandshake } from '../protocol/connection-messages.ts';
import { protocol } from '../protocol/protocol.ts';
import { createBrokerLink } from './link.ts';

type VersionRange = readonly [apiKey: number, min: number, max: number];

const everything: VersionRange[] = Object.values(protocol).map(({ key, version }) => [key, 0, version]);
const apiVersionsKey = 18;

/** Listens like a broker, and says which versions it speaks; what else is asked goes to `answer`. */
async function brokerThat(
  speaks: readonly VersionRange[] | 'nothing',
  answer: (socket: Socket, apiKey: number, correlationId: number) => void = () => undefined,
): Promise<{ server: Server; port: number; sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    // Requests are small: they come whole, at times several together.
    const onRequest = (bytes: Buffer) => {
      const apiKey = bytes.readInt16BE(4);
      const correlationId = bytes.readInt32BE(8);
      if (apiKey !== apiVersionsKey) answer(socket, apiKey, correlationId);
      else if (speaks !== 'nothing') socket.write(versionsAnswer(correlationId, speaks));
    };
    socket.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += 4 + bytes.readInt32BE(at)) onRequest(bytes.subarray(at));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port, sockets };
}

function framed(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([encode(int32, body.length), body]);
}

function versionsAnswer(correlationId: number, speaks: readonly VersionRange[]): Buffer {
  const apiKeys = speaks.map(([apiKey, minVersion, maxVersion]) => ({ apiKey, minVersion, maxVersion }));
  const answer = { errorCode: 0, apiKeys, throttleTimeMs: 0 };
  return framed(encode(int32, correlationId), encode(apiVersions.response, answer));
}

const noTags = Buffer.from([0]);

function heartbeatAnswer(correlationId: number, errorCode: number): Buffer {
  const answer = encode(protocol.heartbeat.response, { throttleTimeMs: 0, errorCode });
  return framed(encode(int32, correlationId), noTags, answer);
}

const heartbeat = { groupId: 'group', generationId: 1, memberId: 'member', groupInstanceId: null };

describe('the link to a broker', () => {
  const opened: { close(): void }[] = [];
  const servers: { server: Server; sockets: Socket[] }[] = [];
  afterEach(async () => {
    for (const link of opened.splice(0)) link.close();
    for (const { server, sockets } of servers.splice(0)) {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    }
  });

  async function linkTo(...behaviour: Parameters<typeof brokerThat>) {
    const broker = await brokerThat(...behaviour);
    servers.push(broker);
    const link = createBrokerLink({ host: '127.0.0.1', port: broker.port }, { brokers: [], clientId: 'test' });
    opened.push(link);
    const ask = (timeoutMs: number) => link.call(protocol.heartbeat, heartbeat, timeoutMs);
    return { ...broker, link, ask };
  }

  it("answers what the broker answers, Kafka's error codes included", async () => {
    const codes = [0, 27, 0];
    const { ask, sockets } = await linkTo(everything, (socket, _, id) =>
      socket.write(heartbeatAnswer(id, codes.shift()!)),
    );
    expect((await ask(5_000)).errorCode).toBe(0);
    expect((await ask(5_000)).errorCode).toBe(27);
    expect((await ask(5_000)).errorCode).toBe(0);
    expect(sockets).toHaveLength(1);
  });

  it('gives up a silent broker in time, with everything that waits on it, and connects anew', async () => {
    let isSilent = true;
    const { ask, sockets } = await linkTo(everything, (socket, _, id) => {
      if (!isSilent) socket.write(heartbeatAnswer(id, 0));
    });
    const patient = ask(60_000);
    const failures = [patient, ask(60)].map((call) => call.catch((error: Error) => error));
    expect(await failures[1]).toMatchObject({
      code: 'log_timeout',
      message: expect.stringMatching(/has not answered Heartbeat within \d+ ms/),
    });
    expect(await failures[0]).toMatchObject({ code: 'log_unreachable' });
    isSilent = false;
    expect((await ask(5_000)).errorCode).toBe(0);
    expect(sockets).toHaveLength(2);
  });

  it('gives up a broker that takes the connection and then says nothing at all', async () => {
    const { ask } = await linkTo('nothing');
    await expect(ask(50)).rejects.toMatchObject({ code: 'log_timeout' });
  });

  it('says why there is no connection', async () => {
    const { ask, server } = await linkTo(everything);
    server.close();
    await once(server, 'close');
    await expect(ask(5_000)).rejects.toMatchObject({
      code: 'log_unreachable',
      message: expect.stringMatching(/^connect to 127\.0\.0\.1:\d+: .*ECONNREFUSED/),
    });
  });

  it('connects anew after the broker has cut it off in the middle of a call', async () => {
    let isCutting = true;
    const { ask } = await linkTo(everything, (socket, _, id) => {
      if (isCutting) socket.destroy();
      else socket.write(heartbeatAnswer(id, 0));
    });
    await expect(ask(5_000)).rejects.toMatchObject({ code: 'log_unreachable' });
    isCutting = false;
    expect((await ask(5_000)).errorCode).toBe(0);
  });

  it('refuses a broker that is too old, and says so', async () => {
    const old = everything.map(
      ([key, min, max]): VersionRange => (key === protocol.fetch.key ? [key, 0, 12] : [key, min, max]),
    );
    const { ask } = await linkTo(old);
    await expect(ask(5_000)).rejects.toMatchObject({
      code: 'log_unsupported',
      message: expect.stringMatching(/knows 0 to 12, but Fetch version 13 is needed.*Kafka 3\.5 and newer/),
    });
  });

  it('ends what is under way when it is closed, and takes nothing after', async () => {
    const { ask, link } = await linkTo(everything);
    const waiting = ask(60_000);
    const failed = expect(waiting).rejects.toMatchObject({ code: 'log_unreachable' });
    // Once the broker has been asked, the connection is there.
    await expect.poll(() => servers[0]!.sockets.length).toBe(1);
    link.close();
    await failed;
    await expect(ask(5_000)).rejects.toMatchObject({ code: 'log_closed' });
  });

  it('reads answers however the network cuts them', async () => {
    for (const size of [1, 2, 3, 5, 7, 100]) {
      const { ask } = await linkTo(everything, (socket, _, id) => {
        const answer = heartbeatAnswer(id, id % 3);
        const send = (at: number) => {
          if (at < answer.length) socket.write(answer.subarray(at, at + size), () => setImmediate(send, at + size));
        };
        send(0);
      });
      const answers = [await ask(5_000), await ask(5_000), await ask(5_000)];
      expect(new Set(answers.map(({ errorCode }) => errorCode))).toEqual(new Set([0, 1, 2]));
    }
  });

  it('reads several answers that come at once', async () => {
    const answers: Buffer[] = [];
    const { ask } = await linkTo(everything, (socket, _, id) => {
      answers.push(heartbeatAnswer(id, answers.length));
      if (answers.length === 3) socket.write(Buffer.concat(answers));
    });
    const asked = [ask(5_000), ask(5_000), ask(5_000)];
    expect((await Promise.all(asked)).map(({ errorCode }) => errorCode)).toEqual([0, 1, 2]);
  });

  it.each<[string, (id: number) => Buffer, RegExp]>([
    ['answers what was not asked', (id) => heartbeatAnswer(id + 1, 0), /answers what was not asked/],
    ['speaks another protocol', () => Buffer.from('HTTP/1.1 400 Bad Request'), /not answer as a Kafka broker does/],
    ['answers too little', (id) => framed(encode(int32, id), noTags), /its answer to Heartbeat can't be read/],
  ])('fails where the broker %s, and tries again with a new connection', async (_, answer, message) => {
    let isWrong = true;
    const { ask } = await linkTo(everything, (socket, _key, id) =>
      socket.write(isWrong ? answer(id) : heartbeatAnswer(id, 0)),
    );
    await expect(ask(5_000)).rejects.toMatchObject({
      code: 'log_unreachable',
      message: expect.stringMatching(message),
    });
    isWrong = false;
    expect((await ask(5_000)).errorCode).toBe(0);
  });

  it('says that the broker wants TLS', async () => {
    const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 40]);
    const { server, port } = await brokerThat('nothing');
    servers.push({ server, sockets: [] });
    server.on('connection', (socket) => socket.end(alert));
    const link = createBrokerLink({ host: '127.0.0.1', port }, { brokers: [], clientId: 'test' });
    opened.push(link);
    await expect(link.call(protocol.heartbeat, heartbeat, 5_000)).rejects.toThrow('the broker wants TLS');
  });

  describe('to a broker that wants to know who asks', () => {
    const sasl = { mechanism: 'PLAIN', username: 'user', password: 'secret' } as const;
    const authenticateKey = 36;

    /** Takes everybody, for so long at a time. */
    async function linkAs(sessionLifetimeMs: bigint, takes = ['PLAIN']) {
      const asked: number[] = [];
      const broker = await brokerThat(everything, (socket, key, id) => {
        asked.push(key);
        if (key === saslHandshake.key) {
          const errorCode = takes.includes('PLAIN') ? 0 : 33;
          socket.write(framed(encode(int32, id), encode(saslHandshake.response, { errorCode, mechanisms: takes })));
        } else if (key === authenticateKey) {
          const answer = { errorCode: 0, errorMessage: null, authBytes: Buffer.alloc(0), sessionLifetimeMs };
          socket.write(framed(encode(int32, id), noTags, encode(saslAuthenticate.response, answer)));
        } else socket.write(heartbeatAnswer(id, 0));
      });
      servers.push(broker);
      const link = createBrokerLink({ host: '127.0.0.1', port: broker.port }, { brokers: [], clientId: 'test', sasl });
      opened.push(link);
      return { ...broker, asked, ask: () => link.call(protocol.heartbeat, heartbeat, 5_000) };
    }

    it('says so before anything else, once', async () => {
      const { asked, ask, sockets } = await linkAs(0n);
      await ask();
      await ask();
      expect(asked).toEqual([saslHandshake.key, authenticateKey, protocol.heartbeat.key, protocol.heartbeat.key]);
      expect(sockets).toHaveLength(1);
    });

    it('does so again over a new connection before the session ends, and loses no answer', async () => {
      const { ask, sockets } = await linkAs(50n);
      await expect.poll(async () => [(await ask()).errorCode, sockets.length >= 3]).toEqual([0, true]);
      // The former ones are ended from this side.
      await expect.poll(() => sockets.slice(0, -1).every((socket) => socket.destroyed)).toBe(true);
    });

    it('tells which ways the broker takes', async () => {
      const { ask } = await linkAs(0n, ['GSSAPI', 'OAUTHBEARER']);
      await expect(ask()).rejects.toMatchObject({
        code: 'log_denied',
        message: expect.stringMatching(/SASL authentication failed: .* not take PLAIN, it takes GSSAPI, OAUTHBEARER/),
      });
    });
  });
});
