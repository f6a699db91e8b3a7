import { ProblemError } from './problems.ts';

/** Verdicts kept: Host headers of real clients are few, and one that makes up many must not fill the memory. */
const verdictsKept = 100;

/**
 * Refuses names that are not this server's: a page of another site could otherwise reach it through a DNS name of its own
 * that resolves to this address (DNS rebinding), and read everything, since to the browser it would be the same origin.
 * And refuses changes asked for by a page of another origin, which needs no answer to do harm.
 */
export function createHostGuard(allowedHosts: readonly string[]) {
  const allowed = new Set(allowedHosts.map(bareName));
  const verdicts = new Map<string, boolean>();

  function isAllowed(authority: string): boolean {
    let verdict = verdicts.get(authority);
    if (verdict === undefined) {
      const name = nameOf(authority);
      verdict = name !== null && allowed.has(name);
      if (verdicts.size >= verdictsKept) verdicts.clear();
      verdicts.set(authority, verdict);
    }
    return verdict;
  }

  /** @throws ProblemError */
  function check(method: string, target: string, headers: { host?: string; origin?: string }): void {
    const { host, origin } = headers;
    if (host === undefined) throw new ProblemError('invalid_request', 'The request has no Host header.');
    if (!isAllowed(host)) throw hostProblem(host);
    // A target in absolute form (`GET http://name/path`) carries a name of its own, which goes before Host (RFC 9112, 3.2.2).
    if (target.charCodeAt(0) !== 47) {
      const authority = /^https?:\/\/([^/?#]*)/i.exec(target)?.[1];
      if (authority !== undefined && !isAllowed(authority)) throw hostProblem(authority);
    }
    if (origin !== undefined && method !== 'GET' && method !== 'HEAD') {
      const authority = /^https?:\/\/([^/?#]*)$/i.exec(origin)?.[1];
      if (authority === undefined || !isAllowed(authority)) {
        throw new ProblemError('origin_not_allowed', `A page of ${origin} may not send ${method} here.`);
      }
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

/** `name`, `name:port`, `[v6]` or `[v6]:port` → the name alone; null of anything else. */
function nameOf(authority: string): string | null {
  const match = /^(?:\[([\da-f:.]+)\]|([^\s:@[\]]+))(?::\d{1,5})?$/i.exec(authority);
  const name = match?.[1] ?? match?.[2];
  return name === undefined ? null : bareName(name);
}

function bareName(name: string): string {
  return name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}
