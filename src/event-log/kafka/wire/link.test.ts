import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encode, int32 } from '../protocol/codec.ts';
import { apiVersions, protocol } from '../protocol/messages.ts';
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
    socket.on('data', (bytes: Buffer) => {
      const apiKey = bytes.readInt16BE(4);
      const correlationId = bytes.readInt32BE(8);
      if (apiKey !== apiVersionsKey) answer(socket, apiKey, correlationId);
      else if (speaks !== 'nothing') socket.write(versionsAnswer(correlationId, speaks));
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
});
