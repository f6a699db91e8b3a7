import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { limits } from '../../../domain/limits.ts';
import { encode, int32, noUuid } from '../protocol/codec.ts';
import { apiVersions, saslAuthenticate, saslHandshake } from '../protocol/connection-messages.ts';
import { protocol } from '../protocol/protocol.ts';
import { fetchRequest } from './fetch-request.ts';
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

const nothingFetched = {
  partition: 0,
  errorCode: 0,
  highWatermark: 0n,
  lastStableOffset: 0n,
  logStartOffset: 0n,
  aborted: [],
  preferredReadReplica: -1,
};

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

  it('reads answers wherever they are cut, and leaves them as they were whatever comes behind', async () => {
    const wanted = Array.from({ length: 6 }, (_, nth) => Buffer.alloc(9_000, `${nth};`));
    const answers: Buffer[] = [];
    const { link } = await linkTo(everything, async (socket, _, id) => {
      const topics = [{ topicId: noUuid, partitions: [{ ...nothingFetched, records: wanted[answers.length]! }] }];
      const answer = encode(protocol.fetch.response, { throttleTimeMs: 0, errorCode: 0, sessionId: 0, topics });
      answers.push(framed(encode(int32, id), noTags, answer));
      if (answers.length < wanted.length) return;
      const all = Buffer.concat(answers);
      socket.setNoDelay(true);
      // Each piece ends within the length of the next answer, and is received by itself: sockets are looked at between turns.
      for (let from = 0, nth = 0; from < all.length; nth += 1) {
        const to = (nth + 1) * answers[0]!.length + (nth % 4);
        socket.write(all.subarray(from, to));
        for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
        from = to;
      }
    });
    const request = fetchRequest(noUuid, [], 0, 1);
    const fetched = await Promise.all(wanted.map(() => link.call(protocol.fetch, request, 5_000)));
    const received = fetched.map(({ topics }) => topics[0]!.partitions[0]!.records!);
    expect(received).toEqual(wanted);
    // Each has its memory to itself.
    expect(new Set(received.map(({ buffer }) => buffer)).size).toBe(wanted.length);
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

  it('reads large answers however the network cuts them', async () => {
    const records = Buffer.alloc(300_000, 'x');
    const partition = { ...nothingFetched, records };
    const topics = [{ topicId: noUuid, partitions: [partition, { ...partition, partition: 1 }] }];
    const answer = encode(protocol.fetch.response, { throttleTimeMs: 0, errorCode: 0, sessionId: 0, topics });
    const { link } = await linkTo(everything, (socket, _, id) => {
      const whole = framed(encode(int32, id), noTags, answer);
      // Twice: an answer may begin in the piece in which another ends.
      const sent = Buffer.concat([whole, heartbeatAnswer(id + 1, 7)]);
      const send = (at: number, size: number) => {
        if (at < sent.length)
          socket.write(sent.subarray(at, at + size), () => setImmediate(send, at + size, size + 977));
      };
      if (id % 2 === 0) send(0, 1 + id * 50);
    });
    for (let nth = 0; nth < 10; nth += 1) {
      const fetched = link.call(protocol.fetch, fetchRequest(noUuid, [], 0, 1_000_000), 5_000);
      const beat = link.call(protocol.heartbeat, heartbeat, 5_000);
      const [one, two] = (await fetched).topics[0]!.partitions;
      expect(one!.records!.equals(records) && two!.records!.equals(records)).toBe(true);
      expect((await beat).errorCode).toBe(7);
    }
  });

  it.each<[string, object]>([
    ['a port that is none', { port: 99_999 }],
    ['a certificate that is none', { tls: { ca: 'no certificate', cert: 'none', key: 'none' } }],
  ])('says what is wrong with %s', async (_, { port = 9, ...rest }: { port?: number }) => {
    const link = createBrokerLink({ host: '127.0.0.1', port }, { brokers: [], clientId: 'test', ...rest });
    opened.push(link);
    await expect(link.call(protocol.heartbeat, heartbeat, 5_000)).rejects.toMatchObject({
      name: 'UnavailableError',
      message: expect.stringMatching(/^connect to 127\.0\.0\.1:/),
    });
  });

  it('refuses what is too much at once, and answers the rest', async () => {
    const answers: (() => void)[] = [];
    const { ask } = await linkTo(everything, (socket, _, id) => {
      answers.push(() => socket.write(heartbeatAnswer(id, 0)));
    });
    const asked = Array.from({ length: limits.kafkaCallsInFlightMax + 1 }, () => ask(30_000));
    await expect(asked.at(-1)).rejects.toThrow('too many requests wait for its answer');
    await expect.poll(() => answers.length).toBe(limits.kafkaCallsInFlightMax);
    for (const answer of answers) answer();
    expect(await Promise.all(asked.slice(0, -1))).toHaveLength(limits.kafkaCallsInFlightMax);
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
    async function linkAs(sessionLifetimeMs: bigint, { takes = ['PLAIN'] } = {}) {
      const asked: number[] = [];
      /** What the first connection is not answered, in order; null: nothing is held back. */
      let held: (() => void)[] | null = null;
      const broker = await brokerThat(everything, (socket, key, id) => {
        asked.push(key);
        if (key === saslHandshake.key) {
          const errorCode = takes.length === 0 ? 34 : takes.includes('PLAIN') ? 0 : 33;
          socket.write(framed(encode(int32, id), encode(saslHandshake.response, { errorCode, mechanisms: takes })));
        } else if (key === authenticateKey) {
          const answer = { errorCode: 0, errorMessage: null, authBytes: Buffer.alloc(0), sessionLifetimeMs };
          socket.write(framed(encode(int32, id), noTags, encode(saslAuthenticate.response, answer)));
        } else if (held !== null && socket === broker.sockets[0]) held.push(() => socket.write(heartbeatAnswer(id, 0)));
        else socket.write(heartbeatAnswer(id, 0));
      });
      servers.push(broker);
      const link = createBrokerLink({ host: '127.0.0.1', port: broker.port }, { brokers: [], clientId: 'test', sasl });
      opened.push(link);
      const hold = () => {
        const own: (() => void)[] = [];
        held = own;
        return {
          /** Resolves when one more is held back. */
          async oneMore() {
            const before = own.length;
            await expect.poll(() => own.length).toBeGreaterThan(before);
          },
          release: () => {
            held = null;
            for (const answer of own) answer();
          },
        };
      };
      return { ...broker, link, asked, hold, ask: () => link.call(protocol.heartbeat, heartbeat, 5_000) };
    }

    it('says so before anything else, once', async () => {
      const { asked, ask, sockets } = await linkAs(0n);
      await ask();
      await ask();
      expect(asked).toEqual([saslHandshake.key, authenticateKey, protocol.heartbeat.key, protocol.heartbeat.key]);
      expect(sockets).toHaveLength(1);
    });

    it('does so again over a new connection before the session ends, and loses no answer', async () => {
      const { ask, sockets, hold } = await linkAs(100n);
      await ask();
      const held = hold();
      const early = [ask()];
      // It is asked on, over the first connection, until the second one is there.
      await expect.poll(() => early.push(ask()) > 0 && sockets.length).toBe(2);
      await expect.poll(() => Promise.race([ask().then(() => 'answered'), held.oneMore()])).toBe('answered');
      expect(sockets[0]!.destroyed).toBe(false);
      held.release();
      expect(new Set((await Promise.all(early)).map(({ errorCode }) => errorCode))).toEqual(new Set([0]));
      await expect.poll(() => sockets[0]!.destroyed).toBe(true);
    });

    it('fails nobody while one connection follows another', async () => {
      const { ask, sockets } = await linkAs(10n);
      const askOn = async () => {
        while (sockets.length < 8) expect((await ask()).errorCode).toBe(0);
      };
      await Promise.all(Array.from({ length: 8 }, askOn));
      await expect.poll(() => sockets.filter((socket) => !socket.destroyed).length).toBe(1);
    });

    it('asks on over the connection there is where no other can be made', async () => {
      const { ask, server, sockets } = await linkAs(100n);
      await ask();
      server.on('connection', (socket) => socket.destroy());
      await expect.poll(async () => [(await ask()).errorCode, sockets.length]).toEqual([0, 2]);
      await expect.poll(() => sockets[1]!.destroyed).toBe(true);
      for (let nth = 0; nth < 30; nth += 1) expect((await ask()).errorCode).toBe(0);
      // Nor is another one tried at once.
      expect(sockets.map((socket) => socket.destroyed)).toEqual([false, true]);
    });

    it('ends what a former connection still owes when it is closed', async () => {
      const { ask, sockets, link, hold } = await linkAs(100n);
      await ask();
      const held = hold();
      const early = ask().catch((error: Error) => error);
      const asked: Promise<unknown>[] = [];
      await expect.poll(() => asked.push(ask().catch(() => null)) > 0 && sockets.length).toBe(2);
      await expect.poll(() => Promise.race([ask().then(() => 'answered'), held.oneMore()])).toBe('answered');
      link.close();
      expect(await early).toMatchObject({ code: 'log_unreachable' });
      await Promise.all(asked);
    });

    it('tells which ways the broker takes', async () => {
      const { ask } = await linkAs(0n, { takes: ['GSSAPI', 'OAUTHBEARER'] });
      await expect(ask()).rejects.toMatchObject({
        code: 'log_denied',
        message: expect.stringMatching(/SASL authentication failed: .* not take PLAIN, it takes GSSAPI, OAUTHBEARER/),
      });
      const none = await linkAs(0n, { takes: [] });
      await expect(none.ask()).rejects.toThrow(/ILLEGAL_SASL_STATE: has this listener SASL at all/);
    });
  });
});
