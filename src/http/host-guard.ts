import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { ProblemError } from './problems.ts';

/** Verdicts kept: Host headers of real clients are few, and one that makes up many must not fill the memory. */
const verdictsKept = 100;

export interface HostGuardOptions {
  /** Names that are this server's beside `localhost` and any address, without port. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may change things beside the server's own: `https://events.example`. */
  readonly allowedOrigins: readonly string[];
}

type GuardedRequest = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders'>;

/**
 * Refuses names that are not this server's: a page of another site could otherwise reach it through a DNS name of its
 * own that resolves to this address (DNS rebinding), and read everything, since to the browser it would be the same
 * origin. That takes a name: who asks for an address, as probes do that know no name, has not been misled. And refuses
 * changes asked for by a page of another origin, which needs no answer to do harm: by scheme, name and port, since what
 * else is served on this machine is no friend for that. Whoever is no browser sends no origin.
 */
export function createHostGuard({ allowedHosts, allowedOrigins }: HostGuardOptions) {
  const allowed = new Set(['localhost', ...allowedHosts.map(bareName)]);
  const origins = new Set(allowedOrigins.map(originOf));
  const verdicts = new Map<string, boolean>();

  function isAllowed(authority: string): boolean {
    let verdict = verdicts.get(authority);
    if (verdict === undefined) {
      const name = readAuthority(authority)?.name;
      verdict = name !== undefined && (allowed.has(name) || isIP(name) > 0);
      if (verdicts.size >= verdictsKept) verdicts.clear();
      verdicts.set(authority, verdict);
    }
    return verdict;
  }

  /** @throws ProblemError */
  function check({ method = 'GET', url = '/', headers, rawHeaders }: GuardedRequest): void {
    const { host, origin } = headers;
    if (host === undefined) throw new ProblemError('invalid_request', 'The request has no Host header.');
    // Of several Node gives the first, and whoever stands in front may have gone by another (RFC 9112, 3.2).
    if (hasSeveralHosts(rawHeaders)) {
      throw new ProblemError('invalid_request', 'The request has more than one Host header.');
    }
    if (!isAllowed(host)) throw hostProblem(host);
    const target = authorityOfTarget(url);
    if (target !== null && !isAllowed(target)) throw hostProblem(target);
    if (origin === undefined || method === 'GET' || method === 'HEAD') return;
    // Browsers say so themselves where the address is HTTPS or this machine, and let no page say it for them. A proxy
    // that speaks HTTPS need not be known then.
    if (headers['sec-fetch-site'] === 'same-origin') return;
    const from = originOf(origin);
    if (from === null || !(from === originOf(`http://${target ?? host}`) || origins.has(from))) {
      throw originProblem(method, origin);
    }
  }

  return { check };
}

function hostProblem(host: string): ProblemError {
  return new ProblemError(
    'host_not_allowed',
    `This server does not answer to the name ${JSON.stringify(host.slice(0, 256))}. Add it to ESP_ALLOWED_HOSTS if it should.`,
  );
}

function originProblem(method: string, origin: string): ProblemError {
  return new ProblemError(
    'origin_not_allowed',
    `A page of ${origin.slice(0, 256)} may not send ${method} here. Add it to ESP_ALLOWED_ORIGINS if it should.`,
  );
}

function hasSeveralHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts > 1;
}

/**
 * A target in absolute form (`GET http://name/path`) carries a name of its own, which goes before Host (RFC 9112,
 * 3.2.2). Null of the usual ones: a path, or `*`.
 */
function authorityOfTarget(url: string): string | null {
  if (url.charCodeAt(0) === 47 || url === '*') return null;
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  if (authority === undefined) throw new ProblemError('invalid_request', 'The target of the request is no path.');
  return authority;
}

const defaultPorts: Readonly<Record<string, string>> = { http: '80', https: '443' };

/** Scheme, name and port in one spelling; null of anything that is no origin. */
export function originOf(text: string): string | null {
  const [, scheme, authority] = /^(https?):\/\/([^/?#]*)$/i.exec(text)?.map((part) => part.toLowerCase()) ?? [];
  const read = authority === undefined ? null : readAuthority(authority);
  return read === null ? null : `${scheme}://${read.name}:${read.port ?? defaultPorts[scheme!]}`;
}

/** `name`, `name:port`, `[v6]` or `[v6]:port`; null of anything else. */
function readAuthority(authority: string): { readonly name: string; readonly port: string | undefined } | null {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:@[\]]+))(?::(\d{1,5}))?$/i.exec(authority);
  const name = match?.[1] ?? match?.[2];
  return name === undefined ? null : { name: bareName(name), port: match?.[3] };
}

function bareName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
