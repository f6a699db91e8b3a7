import { createClient, ErrorReply, RESP_TYPES } from 'redis';
import { backoffMs } from '../../domain/backoff.ts';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { addressOf, type RedisServer, type RedisTarget } from './address.ts';
import { explain } from './errors.ts';
import { pause } from './pause.ts';

export type RedisReply = string | number | Buffer | null | readonly RedisReply[];
export type RedisArguments = readonly (string | Buffer)[];

export interface SendOptions {
  /** Strings of the answer as bytes. */
  readonly binary?: boolean;
}

type Client = ReturnType<typeof connectable>;

/**
 * One connection to one server, kept up by itself. A command has a deadline from the moment it is sent: when it passes, the
 * server is taken to be gone, everything under way is given up and a new connection is made, with capped, jittered backoff.
 * The client library would wait for an answer for ever, and a write keeps its socket's own timeout from ending.
 */
export interface RedisConnection {
  /** Commands sent in one turn travel together, and are carried out in that order. @throws UnavailableError, ErrorReply */
  send(args: RedisArguments, options?: SendOptions): Promise<RedisReply>;
  isReady(): boolean;
  /** Resolves when the first try to connect is over, however it ended. */
  readonly started: Promise<void>;
  /** Resolves when nothing is left of it. */
  close(): Promise<void>;
}

export interface RedisConnectionOptions {
  readonly target: RedisTarget;
  /** Asked before every try: of a cluster, it may be another node each time. */
  readonly server: () => RedisServer;
  /** Completes a connection before it is used: a subscription. */
  readonly prepare?: (client: Client) => Promise<unknown>;
  readonly onReady?: () => void;
}

export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { target, server, prepare, onReady } = options;
  const started = Promise.withResolvers<void>();
  const closing = new AbortController();
  let address = '';
  let lastError: Error | null = null;
  let current: Client | null = null;
  /** Ends the connection that is there or being made. */
  let giveUp: (error: Error) => void = () => undefined;
  let isStarted = false;

  async function keepUp(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      const chosen = server();
      address = addressOf(chosen);
      const client = connectable(target, chosen);
      const ended = Promise.withResolvers<Error>();
      giveUp = ended.resolve;
      client.on('error', ended.resolve);
      try {
        await within(connect(client), ended.promise);
        attempt = 0;
        current = client;
        isStarted = true;
        started.resolve();
        onReady?.();
        lastError = await ended.promise;
      } catch (error) {
        lastError = error as Error;
      } finally {
        current = null;
        isStarted = true;
        started.resolve();
        // Rejects whatever is still under way.
        client.destroy();
      }
      await pause(backoffMs(attempt, Math.random(), limits.redisReconnectMaxMs), closing.signal);
    }
  }

  async function connect(client: Client): Promise<void> {
    await client.connect();
    await prepare?.(client);
  }

  function unavailable(cause: Error | null): UnavailableError {
    const why = cause === null ? 'not connected yet' : explain(cause);
    return new UnavailableError('metrics_unavailable', `Redis at ${address} can not be reached: ${why}`, { cause });
  }

  async function send(args: RedisArguments, sendOptions: SendOptions = {}): Promise<RedisReply> {
    if (current === null && !isStarted) await started.promise;
    if (current === null) throw unavailable(lastError);
    const client = current;
    const deadline = startDeadline(limits.redisCommandMs, () => {
      if (client === current) giveUp(silence());
    });
    try {
      // The library takes the array as its own.
      return await client.sendCommand<RedisReply>([...args], sendOptions.binary ? { typeMapping: asBytes } : undefined);
    } catch (error) {
      if (error instanceof ErrorReply) throw error;
      // What was given up together has one cause.
      throw unavailable(client === current || lastError === null ? (error as Error) : lastError);
    } finally {
      deadline.clear();
    }
  }

  const running = keepUp();
  return {
    send,
    isReady: () => current !== null,
    started: started.promise,
    close() {
      closing.abort();
      giveUp(new Error('closed'));
      return running;
    },
  };
}

const asBytes = { [RESP_TYPES.BLOB_STRING]: Buffer } as const;
const silence = () => new Error(`no answer within ${limits.redisCommandMs} ms`);

function connectable(target: RedisTarget, { host, port }: RedisServer) {
  const { username, password, database, tls } = target;
  const timeouts = {
    connectTimeout: limits.redisCommandMs,
    // Of an idle connection: the ping was its last sign of life.
    socketTimeout: limits.redisPingMs + limits.redisCommandMs,
    reconnectStrategy: false as const,
  };
  return createClient({
    socket: tls === null ? { host, port, ...timeouts } : { host, port, tls: true as const, ...tls, ...timeouts },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    // Answers are plain arrays then, and a server before version 6 can still be told from one that is away.
    RESP: 2 as const,
    clientInfoTag: 'esp',
    pingInterval: limits.redisPingMs,
    disableOfflineQueue: true,
    commandsQueueMaxLength: limits.redisCommandsMax,
    // Deadlines are this file's own: the library's end when a command is written.
    commandOptions: { timeout: 0 },
  });
}

/** Rejects when the connection ended meanwhile, or is not there in time. */
async function within(connecting: Promise<void>, ended: Promise<Error>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const deadline = startDeadline(limits.redisCommandMs, () => late.reject(silence()));
  try {
    void ended.then(late.reject);
    await Promise.race([connecting, late.promise]);
  } finally {
    deadline.clear();
    // Whichever lost the race may still reject.
    connecting.catch(() => undefined);
    late.promise.catch(() => undefined);
  }
}

/**
 * Calls `onPassed` after so many milliseconds, but not before what the socket has received meanwhile has been read: a
 * process that was held up itself must not take its server for silent.
 */
function startDeadline(ms: number, onPassed: () => void) {
  let isOver = false;
  const timer = setTimeout(() => {
    setImmediate(() => {
      if (!isOver) onPassed();
    });
  }, ms);
  return {
    clear() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}
