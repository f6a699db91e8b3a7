import { limits } from '../../domain/limits.ts';
import type { RedisServer, RedisTarget } from './address.ts';
import { createRedisConnection, type RedisArguments, type RedisReply, type SendOptions } from './connection.ts';

/** One server, or a cluster of them that each hold some of the keys. */
export interface RedisLink {
  /**
   * To the server that holds the key. For one key, commands are carried out in the order they are sent in.
   * @throws UnavailableError when no answer came, an Error that `isRefusal` knows when it was a refusal
   */
  send(key: string, args: RedisArguments, options?: SendOptions): Promise<RedisReply>;
  /** Resolves when the first try to connect is over, however it ended. */
  readonly started: Promise<void>;
  /** A server to subscribe at: another one each time, where there are several. */
  nextServer(): RedisServer;
  close(): Promise<void>;
}

export function createSingleLink(target: RedisTarget): RedisLink {
  const nextServer = () => target.servers[0]!;
  const connection = createRedisConnection({ target, server: nextServer });
  return {
    send: (_key, args, options) => connection.send(args, options),
    started: connection.started,
    nextServer,
    close: () => connection.close(),
  };
}

export interface Subscription {
  /** Resolves when messages come, or when the first try to get them is over. */
  readonly started: Promise<void>;
  close(): Promise<void>;
}

/**
 * One channel, on a connection of its own. Messages that are published while it is down are lost: `onReady` is called
 * each time it is up (again), to look at what may have been missed.
 */
export function subscribe(
  target: RedisTarget,
  link: Pick<RedisLink, 'nextServer'>,
  channel: string,
  onMessage: (message: string) => void,
  onReady: () => void,
): Subscription {
  const connection = createRedisConnection({
    target,
    server: link.nextServer,
    prepare: async (client) => {
      client.on('message', (_channel: string, message: string) => onMessage(message));
      await client.subscribe(channel);
    },
    onReady,
  });
  return { started: connection.started, close: () => connection.close() };
}

/** Runs tasks with so many bytes under way at most. */
export async function inChunks<Item>(
  items: readonly Item[],
  bytesOf: (item: Item) => number,
  send: (item: Item) => Promise<unknown>,
): Promise<void> {
  let underWay: Promise<unknown>[] = [];
  let bytes = 0;
  for (const item of items) {
    underWay.push(send(item));
    bytes += bytesOf(item);
    if (bytes < limits.metricsRebuildBytesMax) continue;
    await Promise.all(underWay);
    underWay = [];
    bytes = 0;
  }
  await Promise.all(underWay);
}
