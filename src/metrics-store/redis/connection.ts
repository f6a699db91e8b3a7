import { backoffMs } from '../../domain/backoff.ts';
import { UnavailableError } from '../../domain/failure.ts';
import { limits } from '../../domain/limits.ts';
import { addressOf, type RedisServer, type RedisTarget } from './address.ts';
import { Redis } from './client.ts';
import { explain, isRefusal } from './errors.ts';
import { pause } from './pause.ts';

export type RedisReply = string | number | Buffer | null | readonly RedisReply[];
export type RedisArguments = readonly (string | Buffer)[];

export interface SendOptions {
  /** Strings of the answer as bytes. */
  readonly binary?: boolean;
}

/**
 * One connection to one server, kept up by itself. A command has a deadline from the moment it is sent: when it passes,
 * the server is taken to be gone, everything under way is given up and a new connection is made, with capped, jittered
 * backoff. The client library would wait for an answer for ever.
 */
export interface RedisConnection {
  /**
   * Commands sent in one turn travel together, and are carried out in that order. @throws UnavailableError, or the
   * refusal
   */
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
  readonly prepare?: (client: Redis) => Promise<unknown>;
  readonly onReady?: () => void;
}

export function createRedisConnection(options: RedisConnectionOptions): RedisConnection {
  const { target, server, prepare, onReady } = options;
  const started = Promise.withResolvers<void>();
  const closing = new AbortController();
  let address = '';
  let lastError: Error | null = null;
  let current: Redis | null = null;
  let underWay = 0;
  let isCorked = false;
  /** Ends the connection that is there or being made. */
  let giveUp: (error: Error) => void = () => undefined;
  let isStarted = false;

  async function keepUp(): Promise<void> {
    for (let attempt = 0; !closing.signal.aborted; attempt += 1) {
      const chosen = server();
      address = addressOf(chosen);
      const client = createClient(target, chosen);
      let pings: NodeJS.Timeout | null = null;
      const ended = Promise.withResolvers<Error>();
      giveUp = ended.resolve;
      client.on('error', (error: Error) => ended.resolve(withoutCommand(error)));
      client.on('end', () => ended.resolve(new Error('the connection was ended')));
      try {
        await within(connect(client), ended.promise);
        attempt = 0;
        current = client;
        pings = setInterval(() => void keepDeadline(client, client.ping()).catch(() => undefined), limits.redisPingMs);
        isStarted = true;
        started.resolve();
        onReady?.();
        lastError = await ended.promise;
      } catch (error) {
        lastError = withoutCommand(error as Error);
      } finally {
        current = null;
        isStarted = true;
        started.resolve();
        if (pings !== null) clearInterval(pings);
        // Rejects whatever is still under way: at once, whether or not the server has heard of it.
        client.disconnect();
        client.stream?.destroy();
      }
      await pause(backoffMs(attempt, Math.random(), limits.redisReconnectMaxMs), closing.signal);
    }
  }

  async function connect(client: Redis): Promise<void> {
    const { username, password, database } = target;
    await client.connect();
    // Not by the library, which takes some refusals of a password for a reason to warn on the console, and go on.
    if (username !== undefined) await client.auth(username, password ?? '');
    else if (password !== undefined) await client.auth(password);
    if (database !== 0) await client.select(database);
    // Who it is, for CLIENT LIST; a server before 7.2 does not know of that, and a user may not be allowed it.
    await client.client('SETINFO', 'LIB-NAME', 'event-stream-processor').catch(() => undefined);
    await prepare?.(client);
  }

  /** One silence, and the connection is given up. */
  async function keepDeadline<Reply>(client: Redis, reply: Promise<Reply>): Promise<Reply> {
    const deadline = startDeadline(limits.redisCommandMs, () => {
      if (client === current) giveUp(silence());
    });
    try {
      return await reply;
    } finally {
      deadline.clear();
    }
  }

  /** What is sent in this turn goes out in one write. */
  function cork({ stream }: Redis): void {
    if (isCorked) return;
    isCorked = true;
    stream.cork();
    process.nextTick(() => {
      isCorked = false;
      stream.uncork();
    });
  }

  function unavailable(cause: Error | null): UnavailableError {
    const why = cause === null ? 'not connected yet' : explain(cause);
    return new UnavailableError('metrics_unavailable', `Redis at ${address} can not be reached: ${why}`, { cause });
  }

  async function send(args: RedisArguments, sendOptions: SendOptions = {}): Promise<RedisReply> {
    if (current === null && !isStarted) await started.promise;
    if (current === null) throw unavailable(lastError);
    const client = current;
    if (underWay >= limits.redisCommandsMax) throw unavailable(new Error('too many commands wait for their answers'));
    const [command, ...rest] = args;
    underWay += 1;
    try {
      cork(client);
      // In upper case, as everybody here writes them: of others the library remakes some answers.
      const name = String(command).toUpperCase();
      const reply = sendOptions.binary ? client.callBuffer(name, rest) : client.call(name, rest);
      return (await keepDeadline(client, reply)) as RedisReply;
    } catch (error) {
      const own = withoutCommand(error as Error);
      if (isRefusal(own)) throw own;
      // What was given up together has one cause.
      throw unavailable(client === current || lastError === null ? own : lastError);
    } finally {
      underWay -= 1;
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

const silence = () => new Error(`no answer within ${limits.redisCommandMs} ms`);

/** The library notes on an error what was sent, a password too: nobody's log should have that. */
function withoutCommand(error: Error & { command?: unknown }): Error {
  delete error.command;
  return error;
}

function createClient({ tls }: RedisTarget, { host, port }: RedisServer): Redis {
  return new Redis({
    host,
    port,
    // Either version of IP.
    family: 0,
    ...(tls === null ? {} : { tls }),
    connectTimeout: limits.redisCommandMs,
    // Answers are plain arrays then, and a server before version 6 can still be told from one that is away.
    protocol: 2,
    lazyConnect: true,
    // Connecting anew, deadlines and who it is are this file's own.
    retryStrategy: null,
    maxRetriesPerRequest: null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    disableClientInfo: true,
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
