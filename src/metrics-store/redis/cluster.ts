import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { addressOf, type RedisServer, type RedisTarget } from './address.ts';
import { createRedisConnection, type RedisConnection, type RedisReply } from './connection.ts';
import { replyCode } from './errors.ts';
import type { RedisLink } from './link.ts';
import { slotCount, slotOf } from './slot.ts';

/**
 * Sends each command to the primary that serves its key's slot (Redis Cluster specification, "Redirection and
 * resharding"). A connection to a node, with its deadlines, is the same as to a single server: a node that is silent
 * holds up its own partitions and no others, which is why the library's own cluster client is not used here: it shares
 * one state among them, waits for a silent node without end, and rejects where nobody can catch it when a
 * subscription's node goes.
 */
export function createClusterRouter(target: RedisTarget): RedisLink {
  const connections = new Map<string, RedisConnection>();
  /** Slot → server, as far as it is known. */
  let serverOf: readonly (RedisServer | undefined)[] = [];
  let nodes: readonly RedisServer[] = target.servers;
  let looking: Promise<void> | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let turn = Math.floor(Math.random() * target.servers.length);
  let isClosed = false;

  function connectionTo(server: RedisServer): RedisConnection {
    if (isClosed) throw new UnavailableError('metrics_unavailable', 'the connections to Redis are closed');
    const address = addressOf(server);
    let connection = connections.get(address);
    if (connection === undefined) {
      connection = createRedisConnection({ target, server: () => server });
      connections.set(address, connection);
    }
    return connection;
  }

  /** Asks who serves what, those first that are known to answer. */
  async function look(): Promise<void> {
    lookedAt = performance.now();
    const known = [...nodes, ...target.servers];
    const isReady = (server: RedisServer) => connections.get(addressOf(server))?.isReady() === true;
    const candidates = [...known.filter(isReady), ...known.filter((server) => !isReady(server))];
    let lastError: unknown;
    for (const server of candidates) {
      try {
        take(parseSlots(await connectionTo(server).send(['CLUSTER', 'SLOTS']), server));
        return;
      } catch (error) {
        lastError = error;
      }
    }
    throw lastError;
  }

  function take(ranges: readonly SlotRange[]): void {
    const found = new Array<RedisServer | undefined>(slotCount);
    for (const { from, to, server } of ranges) found.fill(server, from, to + 1);
    serverOf = found;
    nodes = [...new Map(ranges.map(({ server }) => [addressOf(server), server])).values()];
    const addresses = new Set(nodes.map(addressOf));
    for (const [address, connection] of connections) {
      if (addresses.has(address)) continue;
      void connection.close();
      connections.delete(address);
    }
  }

  function lookAgain(): Promise<void> {
    looking ??= look().finally(() => {
      looking = null;
    });
    return looking;
  }

  /** In the background, and not all the time: whoever asks has a failure of its own to tell. */
  function lookSoon(): void {
    if (isClosed || performance.now() - lookedAt < limits.redisTopologyMs) return;
    lookAgain().catch(() => undefined);
  }

  async function serverFor(slot: number): Promise<RedisServer> {
    if (serverOf[slot] === undefined) await lookAgain();
    const server = serverOf[slot];
    if (server !== undefined) return server;
    throw new UnavailableError('metrics_unavailable', `no node of the Redis cluster serves slot ${slot}`);
  }

  const started = lookAgain().then(
    async () => {
      await Promise.all(nodes.map((server) => connectionTo(server).started));
    },
    () => undefined,
  );

  return {
    async send(key, args, options) {
      const slot = slotOf(key);
      for (let redirects = 0; ; redirects += 1) {
        const server = await serverFor(slot);
        try {
          return await connectionTo(server).send(args, options);
        } catch (error) {
          const redirect = redirects < limits.redisRedirectsMax ? redirectOf(error, server) : null;
          if (redirect === null) {
            lookSoon();
            throw error;
          }
          if (redirect.kind === 'MOVED') {
            serverOf = serverOf.with(slot, redirect.server);
            lookSoon();
            continue;
          }
          // The slot is on its way: this one command is asked for at its new place.
          const next = connectionTo(redirect.server);
          const [, reply] = await Promise.all([next.send(['ASKING']), next.send(args, options)]);
          return reply;
        }
      }
    },
    started,
    nextServer() {
      turn += 1;
      return nodes[turn % nodes.length]!;
    },
    async close() {
      isClosed = true;
      await Promise.all([...connections.values()].map((connection) => connection.close()));
    },
  };
}

interface SlotRange {
  readonly from: number;
  readonly to: number;
  readonly server: RedisServer;
}

/** @param asked a node may leave out its own host: it is then where it was asked */
function parseSlots(reply: RedisReply, asked: RedisServer): SlotRange[] {
  return (reply as readonly (readonly RedisReply[])[]).map(([from, to, primary]) => {
    const [host, port] = primary as readonly [string | null, number];
    return { from: Number(from), to: Number(to), server: { host: host || asked.host, port: Number(port) } };
  });
}

function redirectOf(error: unknown, asked: RedisServer): { kind: 'MOVED' | 'ASK'; server: RedisServer } | null {
  const kind = replyCode(error);
  if (kind !== 'MOVED' && kind !== 'ASK') return null;
  const [, host, port] = /^\S+ \d+ (.*):(\d+)$/.exec((error as Error).message) ?? [];
  if (port === undefined) return null;
  return { kind, server: { host: host || asked.host, port: Number(port) } };
}
