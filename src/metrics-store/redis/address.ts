import type { SecureContextOptions } from 'node:tls';
import { StartupError } from '../../domain/failure.ts';

export interface RedisServer {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, as REDIS_URL says it. */
export interface RedisTarget {
  readonly cluster: boolean;
  /** One, or of a cluster any of its nodes: the others are learnt from them. */
  readonly servers: readonly RedisServer[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** Null: not encrypted. */
  readonly tls: SecureContextOptions | null;
}

const form =
  'redis://[user:password@]host[:port][/database], rediss:// with TLS, or of a cluster redis+cluster://host[:port][,host[:port]…] ' +
  'and rediss+cluster://';

/**
 * @throws StartupError that says what REDIS_URL must look like, and never what it holds: there may be a password in it
 */
export function parseRedisUrl(url: string, tls: SecureContextOptions = {}): RedisTarget {
  const [, scheme, cluster, credentials, hosts, rest] =
    /^(rediss?)(\+cluster)?:\/\/(?:([^@/]*)@)?([^@/?#]+)([/?#].*)?$/i.exec(url.trim()) ?? [];
  if (scheme === undefined || hosts === undefined) throw new StartupError(`REDIS_URL must look like ${form}.`);
  const servers = hosts.split(',').map(parseServer);
  const isCluster = cluster !== undefined;
  if (!isCluster && servers.length > 1) {
    throw new StartupError(
      `REDIS_URL names several servers: of a cluster write ${scheme}+cluster://, otherwise name one.`,
    );
  }
  const database = parseDatabase(rest ?? '');
  if (isCluster && database !== 0) throw new StartupError('REDIS_URL: a cluster has no database but 0.');
  return {
    cluster: isCluster,
    servers,
    ...parseCredentials(credentials),
    database,
    tls: scheme.toLowerCase() === 'rediss' ? tls : null,
  };
}

function parseServer(text: string): RedisServer {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/i.exec(text.trim()) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? 6379 : Number(port);
  if (host === undefined || number < 1 || number > 65_535) throw new StartupError(`REDIS_URL must look like ${form}.`);
  return { host, port: number };
}

function parseDatabase(rest: string): number {
  const [, digits] = /^\/?(\d{0,6})$/.exec(rest) ?? [];
  if (digits === undefined)
    throw new StartupError('REDIS_URL: what follows the host must be the number of a database.');
  return Number(digits);
}

function parseCredentials(text: string | undefined): Pick<RedisTarget, 'username' | 'password'> {
  if (text === undefined) return { username: undefined, password: undefined };
  const colon = text.indexOf(':');
  try {
    const [username, password] = (colon < 0 ? ['', text] : [text.slice(0, colon), text.slice(colon + 1)]).map(
      decodeURIComponent,
    );
    return { username: username || undefined, password: password || undefined };
  } catch {
    throw new StartupError('REDIS_URL: special characters of the user and the password must be percent-encoded.');
  }
}

export function addressOf({ host, port }: RedisServer): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
