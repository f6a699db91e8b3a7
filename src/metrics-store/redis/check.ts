import type { SecureContextOptions } from 'node:tls';
import { StartupError, UnavailableError } from '../../domain/failure.ts';
import { addressOf, parseRedisUrl, type RedisServer, type RedisTarget } from './address.ts';
import { createClusterRouter } from './cluster.ts';
import { createRedisConnection, type RedisConnection, type RedisReply } from './connection.ts';
import { explain, isForbidden, replyCode } from './errors.ts';
import { createSingleLink } from './link.ts';

/** What `esp doctor` tells of Redis, in the shape of its other findings. */
export interface RedisFinding {
  readonly level: 'ok' | 'warning' | 'problem';
  readonly what: string;
  /** What to do, one way a line. */
  readonly advice?: readonly string[];
}

export interface CheckRedisOptions {
  readonly url: string;
  readonly prefix: string;
  readonly now: () => number;
  readonly tls?: SecureContextOptions;
}

/** Looks at every server that REDIS_URL leads to. Never throws for what it finds. */
export async function checkRedis({ url, prefix, now, tls }: CheckRedisOptions): Promise<readonly RedisFinding[]> {
  let target: RedisTarget;
  try {
    target = parseRedisUrl(url, tls);
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    return [{ level: 'problem', what: error.message }];
  }
  const findings: RedisFinding[] = [];
  const servers = target.cluster ? await findPrimaries(target, findings) : target.servers;
  for (const server of servers) findings.push(...(await onServer(target, server, (it) => judgeServer(it, now))));
  if (servers.length > 0) findings.push(...(await judgeRights(target, prefix)));
  return findings;
}

interface Checked {
  readonly connection: RedisConnection;
  readonly target: RedisTarget;
  readonly address: string;
}

async function onServer(
  target: RedisTarget,
  server: RedisServer,
  look: (checked: Checked) => Promise<RedisFinding[]>,
): Promise<RedisFinding[]> {
  const connection = createRedisConnection({ target, server: () => server });
  const address = addressOf(server);
  try {
    await connection.started;
    return await look({ connection, target, address });
  } catch (error) {
    if (!(error instanceof UnavailableError) && replyCode(error) === null) throw error;
    const what = error instanceof UnavailableError ? error.message : `Redis at ${address}: ${explain(error as Error)}`;
    return [{ level: 'problem', what, advice: ['events are stored meanwhile; metrics come back with it'] }];
  } finally {
    await connection.close();
  }
}

/** The primaries of a cluster, and what is wrong with it as a whole. */
async function findPrimaries(target: RedisTarget, findings: RedisFinding[]): Promise<readonly RedisServer[]> {
  const failures: RedisFinding[] = [];
  for (const server of target.servers) {
    const primaries = new Map<string, RedisServer>();
    const told = await onServer(target, server, async ({ connection, address }) => {
      const info = fieldsOf(await connection.send(['CLUSTER', 'INFO']));
      const slots = (await connection.send(['CLUSTER', 'SLOTS'])) as readonly (readonly RedisReply[])[];
      for (const [, , node] of slots) {
        const [host, port] = node as readonly [string | null, number];
        const primary = { host: host || server.host, port: Number(port) };
        primaries.set(addressOf(primary), primary);
      }
      const state = `the Redis cluster of ${primaries.size} primaries, as ${address} sees it,`;
      return [
        info.get('cluster_state') === 'ok'
          ? { level: 'ok', what: `${state} is well` }
          : {
              level: 'problem',
              what: `${state} is ${info.get('cluster_state')}: ${info.get('cluster_slots_ok')} of 16384 slots are served`,
              advice: ['redis-cli --cluster check says which node is missing'],
            },
      ];
    });
    if (primaries.size > 0) {
      findings.push(...failures.map((failure): RedisFinding => ({ ...failure, level: 'warning' })), ...told);
      return [...primaries.values()];
    }
    failures.push(...told);
  }
  findings.push(...failures);
  return [];
}

async function judgeServer({ connection, target, address }: Checked, now: () => number) {
  const info = fieldsOf(await connection.send(['INFO']));
  return [
    judgeVersion(info, address),
    ...judgeKind(info, target, address),
    judgeMemory(info, address),
    ...judgePersistence(info, address),
    await judgeLatency(connection, address),
    ...(await judgeClock(connection, address, now)),
  ];
}

type Fields = ReadonlyMap<string, string>;

/** `name:value` a line, as INFO has it. */
function fieldsOf(reply: RedisReply): Fields {
  return new Map([...String(reply).matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name!, value!]));
}

const oldestMajor = 7;

function judgeVersion(info: Fields, address: string): RedisFinding {
  // Valkey tells the version of Redis that it is compatible with as well.
  const version = info.get('redis_version') ?? '0';
  const name = info.has('valkey_version') ? `Valkey ${info.get('valkey_version')}` : `Redis ${version}`;
  if (Number.parseInt(version, 10) >= oldestMajor) return { level: 'ok', what: `${name} answers at ${address}` };
  return {
    level: 'problem',
    what: `${name} at ${address} is too old`,
    advice: [`use Redis ${oldestMajor} or newer, or Valkey`],
  };
}

function judgeKind(info: Fields, target: RedisTarget, address: string): RedisFinding[] {
  const findings: RedisFinding[] = [];
  if (!target.cluster && info.get('cluster_enabled') === '1') {
    const what = `${address} is one node of a cluster, and REDIS_URL names a single server`;
    findings.push({ level: 'problem', what, advice: ['write REDIS_URL as redis+cluster:// or rediss+cluster://'] });
  }
  if (info.get('role') === 'slave') {
    const primary = `${info.get('master_host')}:${info.get('master_port')}`;
    const what = `${address} is a replica: nothing can be written there`;
    findings.push({ level: 'problem', what, advice: [`let REDIS_URL name its primary, ${primary}`] });
  }
  return findings;
}

function judgeMemory(info: Fields, address: string): RedisFinding {
  const policy = info.get('maxmemory_policy') ?? 'unknown';
  const maxmemory = Number(info.get('maxmemory') ?? 0);
  const used = Number(info.get('used_memory') ?? 0);
  if (policy !== 'noeviction' && maxmemory > 0) {
    return {
      level: 'problem',
      what: `Redis at ${address} may drop keys when its memory is full (maxmemory-policy ${policy}): counts would be wrong`,
      advice: ['set maxmemory-policy to noeviction', 'or give Event Stream Processor a Redis of its own'],
    };
  }
  if (maxmemory > 0 && used > maxmemory * 0.9) {
    return {
      level: 'warning',
      what: `Redis at ${address} has used ${percent(used / maxmemory)} of its maxmemory: past it, metrics stand still`,
      advice: ['raise maxmemory'],
    };
  }
  return {
    level: 'ok',
    what: maxmemory > 0 ? `its maxmemory-policy is noeviction` : `its memory is not limited, so nothing is evicted`,
  };
}

const percent = (share: number) => `${Math.round(share * 100)} %`;

function judgePersistence(info: Fields, address: string): RedisFinding[] {
  const failing = [
    ['rdb_last_bgsave_status', 'its last snapshot'],
    ['aof_last_write_status', 'its last write to the append-only file'],
  ].filter(([field]) => (info.get(field!) ?? 'ok') !== 'ok');
  if (failing.length > 0) {
    return failing.map(([, what]) => ({
      level: 'problem',
      what: `Redis at ${address} could not write to its disk: ${what} failed`,
      advice: ['look at its log and its disk; until then it may refuse every write'],
    }));
  }
  const isKept = info.get('aof_enabled') === '1';
  return [
    {
      level: 'ok',
      what: isKept
        ? 'it keeps an append-only file'
        : 'it keeps no append-only file: after a restart metrics are made anew from the store, which takes seconds',
    },
  ];
}

const pings = 5;
const slowMs = 10;

async function judgeLatency(connection: RedisConnection, address: string): Promise<RedisFinding> {
  const times: number[] = [];
  for (let ping = 0; ping < pings; ping += 1) {
    const startedAt = performance.now();
    await connection.send(['PING']);
    times.push(performance.now() - startedAt);
  }
  const median = times.sort((a, b) => a - b)[Math.floor(pings / 2)]!;
  const what = `Redis at ${address} answers in ${median.toFixed(1)} ms`;
  if (median < slowMs) return { level: 'ok', what };
  return { level: 'warning', what, advice: ['keep it in the same network as the workers and APIs'] };
}

const skewMaxMs = 5_000;

/**
 * Nothing depends on Redis's clock but when keys expire, and that by lengths of time: a clock that is off is a sign.
 */
async function judgeClock(connection: RedisConnection, address: string, now: () => number): Promise<RedisFinding[]> {
  const before = now();
  const [seconds, microseconds] = (await connection.send(['TIME'])) as readonly string[];
  const here = (before + now()) / 2;
  const skewMs = Math.round(Number(seconds) * 1_000 + Number(microseconds) / 1_000 - here);
  if (Math.abs(skewMs) <= skewMaxMs) return [];
  const what = `the clock of Redis at ${address} is ${Math.abs(skewMs / 1_000).toFixed(1)} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
  return [{ level: 'warning', what, advice: ['let both machines keep their time by NTP: metrics go by the clocks'] }];
}

/** Does, with keys of its own that live a second, what the store does. */
const probe = `#!lua
redis.call('SET', KEYS[1], '1', 'PX', 1000)
redis.call('ZADD', KEYS[2], 1, 'a')
redis.call('PEXPIRE', KEYS[2], 1000)
redis.call('PUBLISH', ARGV[1], '')
return redis.call('UNLINK', KEYS[1], KEYS[2])
`;

async function judgeRights(target: RedisTarget, prefix: string): Promise<RedisFinding[]> {
  const link = target.cluster ? createClusterRouter(target) : createSingleLink(target);
  const keys = [`{${prefix}:doctor}:value`, `{${prefix}:doctor}:set`] as const;
  try {
    await link.started;
    await link.send(keys[0], ['EVAL', probe, '2', ...keys, `${prefix}:doctor`]);
    return [{ level: 'ok', what: 'the user of Redis may do what is needed' }];
  } catch (error) {
    // Told of the server itself already, and better.
    if (error instanceof UnavailableError || replyCode(error) === 'MOVED') return [];
    if (!(error instanceof Error) || replyCode(error) === null) throw error;
    const rights = `~{${prefix}:* ~${prefix}:* &${prefix}:* +@all -@admin -@dangerous +info`;
    return [
      {
        level: 'problem',
        what: `Redis refuses what is needed: ${explain(error)}`,
        ...(isForbidden(error) ? { advice: [`give its user these rights: ${rights}`] } : {}),
      },
    ];
  } finally {
    await link.close();
  }
}
