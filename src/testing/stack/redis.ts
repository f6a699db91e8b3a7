import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { fetchPart } from './maven.ts';
import { type NativeServer, openWorkspace, startServerProcess } from './server-process.ts';

export interface RedisOptions {
  readonly port?: number;
  /** Where it keeps its data; a temporary one by default. */
  readonly directory?: string;
  /** The append-only file, flushed every second: what it kept survives a kill. On by default. */
  readonly appendonly?: boolean;
  readonly maxmemoryPolicy?: string;
  /** As a node of a cluster that has yet to be formed; see redis-cluster.ts. */
  readonly cluster?: boolean;
  /** Any line of redis.conf, by its name. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export interface RedisServer extends NativeServer {
  readonly url: string;
  /** Where cluster nodes talk to each other; null for a server by itself. */
  readonly clusterPort: number | null;
}

/**
 * Redis 7.0.15 on 127.0.0.1, without a password; or what ESP_TEST_REDIS_SERVER names, such as the path of a
 * valkey-server.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const program = process.env.ESP_TEST_REDIS_SERVER ?? (await redisServer());
  const port = options.port ?? (await freePort());
  const clusterPort = options.cluster ? await freePort() : null;
  const workspace = openWorkspace('redis', options.directory);
  mkdirSync(join(workspace.directory, 'data'), { recursive: true });
  const configuration = join(workspace.directory, 'redis.conf');
  writeFileSync(configuration, toLines(port, clusterPort, options));
  const server = await startServerProcess({
    name: 'Redis',
    port,
    workspace,
    command: [program, configuration],
    stopSignal: 'SIGTERM',
    answers: () => answersPing(port),
  });
  return Object.assign(server, { url: `redis://127.0.0.1:${port}`, clusterPort });
}

async function redisServer(): Promise<string> {
  const files = await fetchPart('redis');
  return join(files, readdirSync(files)[0]!);
}

function toLines(port: number, clusterPort: number | null, options: RedisOptions): string {
  const settings: Record<string, string | number> = {
    port,
    bind: '127.0.0.1',
    dir: 'data',
    // No snapshots on a timer: only the append-only file.
    save: '""',
    appendonly: (options.appendonly ?? true) ? 'yes' : 'no',
    'maxmemory-policy': options.maxmemoryPolicy ?? 'noeviction',
    ...(clusterPort === null ? {} : { 'cluster-enabled': 'yes', 'cluster-port': clusterPort }),
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('');
}

/** PONG is said only once the data is loaded; before that, and when it needs a password, an error. */
async function answersPing(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1').setTimeout(2_000, () => socket.destroy(new Error('no answer to PING')));
  try {
    await once(socket, 'connect');
    socket.write('PING\r\n');
    const [answer] = await once(socket, 'data');
    return String(answer).startsWith('+PONG');
  } finally {
    socket.destroy();
  }
}
